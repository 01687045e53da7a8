import type { OutputChunk, StdioSession } from '#spec/streams.ts';

export interface FakeSession extends StdioSession {
  /** All input so far. */
  readonly input: string;
  readonly inputEnded: Promise<void>;
  readonly closed: Promise<void>;
  emit(stream: 'stdout' | 'stderr', text: string): void;
  /** The process closes its output. */
  endOutput(): void;
  /** Called with each piece of input. */
  onInput: ((text: string) => void) | undefined;
}

/** A process's stdio under a test's control. */
export function fakeSession(options: { tty?: boolean; detachKeys?: string } = {}): FakeSession {
  const queue: OutputChunk[] = [];
  let over = false;
  let wake = (): void => {};
  let input = '';
  const inputEnded = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const end = (): void => {
    over = true;
    wake();
  };
  const session: FakeSession = {
    tty: options.tty ?? false,
    detachKeys: Buffer.from(options.detachKeys ?? '\u0010\u0011'),
    output: (async function* () {
      for (;;) {
        while (queue.length > 0) yield queue.shift()!;
        if (over) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    })(),
    get input() {
      return input;
    },
    inputEnded: inputEnded.promise,
    closed: closed.promise,
    onInput: undefined,
    write: async (data) => {
      const text = Buffer.from(data).toString();
      input += text;
      session.onInput?.(text);
    },
    endInput: () => inputEnded.resolve(),
    close: () => {
      end();
      closed.resolve();
    },
    emit: (stream, text) => {
      queue.push({ stream, data: Buffer.from(text) });
      wake();
    },
    endOutput: end,
  };
  return session;
}
