import type { OutputChunk } from '#spec/streams.ts';
import { FrameDecoder } from '../stdcopy.ts';
import type { RawStream } from './transport.ts';

/** A client's side of attach or exec. */
export interface ClientSession {
  /** With a tty all output is `stdout`. */
  readonly tty: boolean;
  /** Ends when the process closed its output, the client detached, or `close` was called. */
  readonly output: AsyncIterable<OutputChunk>;
  write(data: Uint8Array): Promise<void>;
  /** Half-close: the process reads EOF. */
  endInput(): void;
  close(): void;
}

export function createSession(stream: RawStream, tty: boolean): ClientSession {
  return {
    tty,
    output: tty ? rawChunks(stream.input) : demultiplex(stream.input),
    write: (data) => stream.write(data),
    endInput: () => stream.end(),
    close: () => stream.destroy(),
  };
}

async function* rawChunks(input: AsyncIterable<Uint8Array>): AsyncGenerator<OutputChunk> {
  for await (const data of input) yield { stream: 'stdout', data };
}

/** Throws the engine's error when one comes in band. */
export async function* demultiplex(input: AsyncIterable<Uint8Array>): AsyncGenerator<OutputChunk> {
  const decoder = new FrameDecoder();
  for await (const bytes of input) {
    for (const frame of decoder.push(bytes)) {
      if (frame.stream === 'error') throw new Error(Buffer.from(frame.data).toString());
      yield frame;
    }
  }
}

/** Output as a client reads it from logs: raw when the container has a tty. */
export const outputChunks = (input: AsyncIterable<Uint8Array>, tty: boolean): AsyncIterable<OutputChunk> =>
  tty ? rawChunks(input) : demultiplex(input);
