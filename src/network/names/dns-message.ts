/** The little of DNS's wire format (RFC 1035, 6891) that a resolver of container names needs. Nothing here throws. */

export const TYPE = { A: 1, PTR: 12, AAAA: 28, OPT: 41 } as const;
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
export const HEADER = 12;
/** Seconds that clients may remember a name for; Docker's. */
const TTL = 600;
const LEAST_UDP = 512;
const OPT_RECORD = 11;

export interface Question {
  /** Labels joined by dots in lower case, no dot at the end. */
  name: string;
  type: number;
  /** Offset of the first byte after the question. */
  end: number;
  /** How long an answer by UDP may be. */
  limit: number;
  /** The client speaks EDNS(0). */
  extended: boolean;
}

/** What a datagram is: a question to answer, an error code to say, or nothing that deserves an answer. */
export function parseQuery(data: Buffer): Question | number | undefined {
  if (data.length < HEADER) return undefined;
  const flags = data.readUInt16BE(2);
  // Answers are not answered, or two resolvers could talk for ever.
  if ((flags & 0x8000) !== 0) return undefined;
  if ((flags & 0x7800) !== 0) return RCODE.NOTIMP;
  if (data.readUInt16BE(4) !== 1) return RCODE.FORMERR;
  const end = nameEnd(data, HEADER);
  if (end === undefined || end + 4 > data.length) return RCODE.FORMERR;
  const name = data.toString('latin1', HEADER + 1, end - 1).toLowerCase();
  const { limit, extended } = readEdns(data, end + 4);
  return { name: dotted(data, name), type: data.readUInt16BE(end), end: end + 4, limit, extended };
}

/** Length bytes become dots; the text starts after the first one. */
function dotted(data: Buffer, text: string): string {
  let joined = '';
  for (let offset = HEADER; ; ) {
    const length = data[offset] ?? 0;
    if (length === 0) return joined;
    const start = offset - HEADER;
    joined += (joined === '' ? '' : '.') + text.slice(start, start + length);
    offset += length + 1;
  }
}

/** Offset after an uncompressed name of at most 255 bytes. */
function nameEnd(data: Buffer, start: number): number | undefined {
  for (let offset = start; offset < data.length && offset - start < 255; ) {
    const length = data[offset] ?? 0;
    if (length === 0) return offset + 1;
    if (length > 63) return undefined;
    offset += length + 1;
  }
  return undefined;
}

/** Offset after any name, also one that ends in a pointer. */
function skipName(data: Buffer, start: number): number | undefined {
  for (let offset = start; offset < data.length; ) {
    const length = data[offset] ?? 0;
    if (length === 0) return offset + 1;
    if (length >= 0xc0) return offset + 2;
    if (length > 63) return undefined;
    offset += length + 1;
  }
  return undefined;
}

function readEdns(data: Buffer, start: number): { limit: number; extended: boolean } {
  const plain = { limit: LEAST_UDP, extended: false };
  let offset = start;
  for (let left = Math.min(16, data.readUInt16BE(6) + data.readUInt16BE(8) + data.readUInt16BE(10)); left > 0; left--) {
    const end = skipName(data, offset);
    if (end === undefined || end + 10 > data.length) return plain;
    if (data.readUInt16BE(end) === TYPE.OPT) return { limit: Math.max(LEAST_UDP, data.readUInt16BE(end + 2)), extended: true };
    offset = end + 10 + data.readUInt16BE(end + 8);
  }
  return plain;
}

/** Records as they stand behind the question: addresses (4 or 16 bytes) or one name. */
export interface Answer {
  type: number;
  data: readonly Buffer[];
}

/**
 * Writes the answer to `query` at `offset` of `out` and returns its length. What does not fit into `limit` bytes is left
 * out and the answer marked as truncated. `first` is the record that comes first; the others follow round robin.
 */
export function writeAnswer(query: Buffer, question: Question, answer: Answer, given: { out: Buffer; offset: number; limit: number; first: number }): number {
  const { out, offset, first } = given;
  let at = writeHead(query, question.end, RCODE.NOERROR, given);
  const room = given.limit - (question.extended ? OPT_RECORD : 0);
  let count = 0;
  for (let index = 0; index < answer.data.length; index++) {
    const data = answer.data[(first + index) % answer.data.length] ?? Buffer.alloc(0);
    if (at - offset + 12 + data.length > room) {
      out[offset + 2] = (out[offset + 2] ?? 0) | 0x02;
      break;
    }
    // The name is the question's: a pointer to offset 12.
    at = out.writeUInt16BE(0xc00c, at);
    at = out.writeUInt16BE(answer.type, at);
    at = out.writeUInt16BE(1, at);
    at = out.writeUInt32BE(TTL, at);
    at = out.writeUInt16BE(data.length, at);
    at += data.copy(out, at);
    count++;
  }
  out.writeUInt16BE(count, offset + 6);
  if (question.extended) at = writeOpt(out, offset, at);
  return at - offset;
}

/** An answer without records. `end` is where the question ends, or HEADER to leave a broken one out. */
export function writeError(query: Buffer, end: number, code: number, given: { out: Buffer; offset: number; extended?: boolean }): number {
  const at = writeHead(query, end, code, given);
  return (given.extended === true ? writeOpt(given.out, given.offset, at) : at) - given.offset;
}

function writeHead(query: Buffer, end: number, code: number, { out, offset }: { out: Buffer; offset: number }): number {
  query.copy(out, offset, 0, end);
  // An answer, recursion desired as asked, recursion available.
  out[offset + 2] = 0x80 | ((query[2] ?? 0) & 0x79);
  out[offset + 3] = 0x80 | code;
  out.fill(0, offset + 4, offset + HEADER);
  out[offset + 5] = end > HEADER ? 1 : 0;
  return offset + end;
}

function writeOpt(out: Buffer, offset: number, at: number): number {
  out[offset + 11] = 1;
  out[at] = 0;
  out.writeUInt16BE(TYPE.OPT, at + 1);
  out.writeUInt16BE(4096, at + 3);
  out.writeUInt32BE(0, at + 5);
  out.writeUInt16BE(0, at + 9);
  return at + OPT_RECORD;
}

/** `web.front` as length-prefixed labels; undefined for what is no name. */
export function encodeName(name: string): Buffer | undefined {
  const labels = name.split('.').map((label) => Buffer.from(label));
  if (labels.some(({ length }) => length === 0 || length > 63)) return undefined;
  const bytes = Buffer.concat([...labels.flatMap((label) => [Buffer.from([label.length]), label]), Buffer.from([0])]);
  return bytes.length > 255 ? undefined : bytes;
}

/** The address that a name below in-addr.arpa or ip6.arpa stands for. */
export function reverseAddress(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    const parts = name.slice(0, -'.in-addr.arpa'.length).split('.').toReversed();
    return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part)) ? parts.join('.') : undefined;
  }
  if (!name.endsWith('.ip6.arpa')) return undefined;
  const digits = name.slice(0, -'.ip6.arpa'.length).split('.').toReversed().join('');
  return /^[0-9a-f]{32}$/.test(digits) ? (digits.match(/.{4}/g) ?? []).join(':') : undefined;
}

/** Whether `answer` is one to `query`: same question, marked as an answer. The id is the caller's matter. */
export function isAnswerTo(query: Buffer, end: number, answer: Buffer): boolean {
  if (answer.length < HEADER || (answer.readUInt16BE(2) & 0x8000) === 0) return false;
  const code = codeOf(answer);
  // Some servers leave the question out of a refusal.
  if (answer.readUInt16BE(4) === 0) return code !== RCODE.NOERROR && code !== RCODE.NXDOMAIN;
  return answer.length >= end && query.toString('latin1', HEADER, end).toLowerCase() === answer.toString('latin1', HEADER, end).toLowerCase();
}

export const codeOf = (answer: Buffer): number => (answer[3] ?? 0) & 0x0f;
