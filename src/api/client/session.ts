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

/**
 * Throws the engine's error when one comes in band. What arrived together is handed on together: a log comes in a frame a
 * line, and a chunk for each would cost the reader a write for each.
 */
export async function* demultiplex(input: AsyncIterable<Uint8Array>): AsyncGenerator<OutputChunk> {
  const decoder = new FrameDecoder();
  for await (const bytes of input) {
    let stream: OutputChunk['stream'] = 'stdout';
    let together: Uint8Array[] = [];
    for (const frame of decoder.push(bytes)) {
      if (frame.stream === 'error') {
        if (together.length > 0) yield join(stream, together);
        throw new Error(Buffer.from(frame.data).toString());
      }
      if (frame.stream !== stream && together.length > 0) {
        yield join(stream, together);
        together = [];
      }
      ({ stream } = frame);
      together.push(frame.data);
    }
    if (together.length > 0) yield join(stream, together);
  }
}

const join = (stream: OutputChunk['stream'], pieces: Uint8Array[]): OutputChunk => ({
  stream,
  data: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces),
});

/** Output as a client reads it from logs: raw when the container has a tty. */
export const outputChunks = (input: AsyncIterable<Uint8Array>, tty: boolean): AsyncIterable<OutputChunk> =>
  tty ? rawChunks(input) : demultiplex(input);
