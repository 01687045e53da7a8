export interface WebSocketFrame {
  opcode: number;
  payload: Buffer;
}

const LARGEST_PAYLOAD = 1024 * 1024;

/** One unmasked, final frame from the server. */
export function frameMessage(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const head = length < 126 ? Buffer.alloc(2) : length < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
  head[0] = 0x80 | opcode;
  if (length < 126) head[1] = length;
  else if (length < 65536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** Cuts a client's bytes into frames. Throws for what RFC 6455 forbids: unmasked, reserved bits, oversized. */
export class WebSocketDecoder {
  #rest: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): WebSocketFrame[] {
    let buffer = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: WebSocketFrame[] = [];
    for (;;) {
      const frame = readFrame(buffer);
      if (frame === undefined) break;
      frames.push({ opcode: frame.opcode, payload: frame.payload });
      buffer = buffer.subarray(frame.size);
    }
    this.#rest = buffer;
    return frames;
  }
}

function readFrame(buffer: Buffer): (WebSocketFrame & { size: number }) | undefined {
  if (buffer.length < 2) return undefined;
  const first = buffer[0]!;
  const second = buffer[1]!;
  const opcode = first & 0x0f;
  if ((first & 0x70) !== 0 || (opcode > 2 && opcode < 8) || opcode > 10) throw new Error('the frame uses an unknown extension or kind');
  if ((second & 0x80) === 0) throw new Error('the frame is not masked');
  let length = second & 0x7f;
  let at = 2;
  if (opcode >= 8 && (length > 125 || (first & 0x80) === 0)) throw new Error('a control frame is too long or cut');
  if (length === 126) {
    if (buffer.length < 4) return undefined;
    length = buffer.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (buffer.length < 10) return undefined;
    const long = buffer.readBigUInt64BE(2);
    if (long > BigInt(LARGEST_PAYLOAD)) throw new Error('the frame is larger than 1 MiB');
    length = Number(long);
    at = 10;
  }
  const size = at + 4 + length;
  if (buffer.length < size) return undefined;
  const mask = buffer.subarray(at, at + 4);
  const payload = Buffer.from(buffer.subarray(at + 4, size));
  for (let index = 0; index < length; index++) payload[index]! ^= mask[index & 3]!;
  return { opcode, payload, size };
}
