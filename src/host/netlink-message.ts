/** Encoding of netlink messages and attributes (linux/netlink.h, linux/rtnetlink.h); host byte order is little-endian. */

export const NLM_F = { REQUEST: 1, ACK: 4, DUMP: 0x300, REPLACE: 0x100, EXCL: 0x200, CREATE: 0x400, APPEND: 0x800 } as const;
export const NLMSG = { ERROR: 2, DONE: 3 } as const;
const NESTED = 0x8000;

/** One attribute: 4 bytes of header, the payload, padding to 4. */
export function attribute(type: number, payload: Uint8Array): Buffer {
  const length = 4 + payload.length;
  const bytes = Buffer.alloc((length + 3) & ~3);
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(payload, 4);
  return bytes;
}

export const nested = (type: number, ...children: Uint8Array[]): Buffer => attribute(type | NESTED, Buffer.concat(children));
export const text = (type: number, value: string): Buffer => attribute(type, Buffer.from(`${value}\0`));
export const u8 = (type: number, value: number): Buffer => attribute(type, Uint8Array.of(value));

export function u16(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return attribute(type, bytes);
}

export function u32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return attribute(type, bytes);
}

/** In network order, as netfilter has its numbers. */
export function u32be(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return attribute(type, bytes);
}

/** A request that wants an acknowledgement; the socket fills in the sequence number. */
export function message(type: number, flags: number, header: Uint8Array, ...attributes: Uint8Array[]): Buffer {
  const body = Buffer.concat([Buffer.alloc(16), header, ...attributes]);
  body.writeUInt32LE(body.length, 0);
  body.writeUInt16LE(type, 4);
  body.writeUInt16LE(NLM_F.REQUEST | flags, 6);
  return body;
}

export interface ReceivedMessage {
  type: number;
  flags: number;
  sequence: number;
  body: Buffer;
}

/** Splits what one recv brought. */
export function* parseMessages(data: Buffer): Generator<ReceivedMessage> {
  for (let offset = 0; offset + 16 <= data.length; ) {
    const length = data.readUInt32LE(offset);
    if (length < 16 || offset + length > data.length) return;
    yield {
      type: data.readUInt16LE(offset + 4),
      flags: data.readUInt16LE(offset + 6),
      sequence: data.readUInt32LE(offset + 8),
      body: data.subarray(offset + 16, offset + length),
    };
    offset += (length + 3) & ~3;
  }
}

/** Attributes by type, from `offset` of a message body or of a nested attribute's payload. */
export function parseAttributes(data: Buffer, offset = 0): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  while (offset + 4 <= data.length) {
    const length = data.readUInt16LE(offset);
    if (length < 4 || offset + length > data.length) break;
    found.set(data.readUInt16LE(offset + 2) & 0x3fff, data.subarray(offset + 4, offset + length));
    offset += (length + 3) & ~3;
  }
  return found;
}

/** A NUL-terminated string attribute. */
export function attributeText(value: Buffer | undefined): string | undefined {
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}
