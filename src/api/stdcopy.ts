import type { OutputChunk } from '#spec/streams.ts';

/**
 * Docker's multiplexed stream: each write of a container without a tty travels behind eight bytes, the stream's number
 * (0 stdin, 1 stdout, 2 stderr, 3 the engine's own error), three zeros and the length in big endian.
 */
const HEADER = 8;
const LARGEST_FRAME = 64 * 1024 * 1024;

/** One buffer that holds all chunks, framed. */
export function frameChunks(chunks: readonly OutputChunk[]): Buffer {
  let size = 0;
  for (const chunk of chunks) size += HEADER + chunk.data.length;
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { stream, data } of chunks) {
    out.writeUInt32BE(stream === 'stderr' ? 0x02000000 : 0x01000000, at);
    out.writeUInt32BE(data.length, at + 4);
    out.set(data, at + HEADER);
    at += HEADER + data.length;
  }
  return out;
}

/** Like frameChunks, with a frame for each line: libraries hand a log on frame by frame and call each one a line. */
export function frameLines(chunks: readonly OutputChunk[]): Buffer {
  let size = 0;
  for (const { data } of chunks) size += data.length + HEADER * countLines(data);
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { stream, data } of chunks) {
    const kind = stream === 'stderr' ? 0x02000000 : 0x01000000;
    for (let start = 0; start < data.length; ) {
      const newline = data.indexOf(10, start);
      const end = newline < 0 ? data.length : newline + 1;
      out.writeUInt32BE(kind, at);
      out.writeUInt32BE(end - start, at + 4);
      out.set(data.subarray(start, end), at + HEADER);
      at += HEADER + end - start;
      start = end;
    }
  }
  return out;
}

function countLines(data: Uint8Array): number {
  let lines = data.length > 0 && data[data.length - 1] !== 10 ? 1 : 0;
  for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) lines++;
  return lines;
}

/** The frame that carries an error which came after the stream began. */
export function frameError(message: string): Buffer {
  const data = Buffer.from(message);
  const out = Buffer.alloc(HEADER + data.length);
  out[0] = 3;
  out.writeUInt32BE(data.length, 4);
  data.copy(out, HEADER);
  return out;
}

export type Frame = OutputChunk | { stream: 'error'; data: Uint8Array };

/** Cuts a multiplexed byte stream into chunks; frames may arrive in any pieces. */
export class FrameDecoder {
  readonly #header = Buffer.alloc(HEADER);
  #headerFilled = 0;
  #left = 0;

  /** The chunks in these bytes; a long frame is handed on piece by piece. Throws for a stream that is not multiplexed. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.#headerFilled < HEADER) {
        const taken = Math.min(HEADER - this.#headerFilled, bytes.length - at);
        this.#header.set(bytes.subarray(at, at + taken), this.#headerFilled);
        this.#headerFilled += taken;
        at += taken;
        if (this.#headerFilled < HEADER) break;
        this.#left = this.#header.readUInt32BE(4);
        if (this.#header[0]! > 3 || this.#left > LARGEST_FRAME) throw new Error('the stream is not multiplexed: its frame header is wrong');
      }
      const taken = Math.min(this.#left, bytes.length - at);
      if (taken > 0) {
        const kind = this.#header[0];
        const stream = kind === 2 ? 'stderr' : kind === 3 ? 'error' : 'stdout';
        frames.push({ stream, data: bytes.subarray(at, at + taken) });
        at += taken;
        this.#left -= taken;
      }
      if (this.#left === 0) this.#headerFilled = 0;
    }
    return frames;
  }
}
