import type { LogBatch } from '#spec/streams.ts';
import { frameError, frameLines } from '../../stdcopy.ts';
import { messageOf } from '#base/errors.ts';
import { errorLine } from '../errors.ts';
import type { Headers, Reply } from '../reply.ts';

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

/** One JSON value a line, each sent at once. */
export function jsonLines(values: AsyncIterable<unknown>, options: { contentType?: string; renderError?: (error: unknown) => string } = {}): Reply {
  return {
    kind: 'stream',
    status: 200,
    contentType: options.contentType ?? 'application/json',
    body: stringify(values, '\n'),
    ...(options.renderError === undefined ? {} : { renderError: options.renderError }),
  };
}

/** Progress messages; a failure becomes the last line, `errorDetail`. */
export async function progress(messages: AsyncIterable<unknown>): Promise<Reply> {
  return {
    kind: 'stream',
    status: 200,
    contentType: 'application/json',
    body: stringify(await begun(messages), '\r\n'),
    renderError: errorLine,
  };
}

/** A byte stream such as a tar. A failure after the first bytes cuts the connection. */
export async function bytes(body: AsyncIterable<Uint8Array>, contentType: string, headers?: Headers): Promise<Reply> {
  const started = await begun(body);
  return { kind: 'stream', status: 200, contentType, body: started, ...(headers === undefined ? {} : { headers }) };
}

/** Log batches, framed unless the container has a tty. */
export function logStream(batches: AsyncIterable<LogBatch>, tty: boolean, contentType: string): Reply {
  return {
    kind: 'stream',
    status: 200,
    contentType,
    body: renderBatches(batches, tty),
    renderError: (error) => {
      const message = `Error grabbing logs: ${messageOf(error)}\n`;
      return tty ? message : frameError(message);
    },
  };
}

async function* renderBatches(batches: AsyncIterable<LogBatch>, tty: boolean): AsyncGenerator<Uint8Array> {
  for await (const batch of batches) {
    if (batch.length === 0) continue;
    if (!tty) yield frameLines(batch);
    else yield batch.length === 1 ? batch[0]!.data : Buffer.concat(batch.map((chunk) => chunk.data));
  }
}

async function* stringify(values: AsyncIterable<unknown>, end: string): AsyncGenerator<string> {
  for await (const value of values) yield JSON.stringify(value) + end;
}

/**
 * For streams whose head must not wait for the first item: lets the source check what it was asked for, so that a refusal
 * is answered with a status of its own.
 */
export async function checked<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = source[Symbol.asyncIterator]();
  const first = iterator.next();
  await Promise.race([first, new Promise((resolve) => setImmediate(resolve))]);
  return resumed(iterator, first);
}

/**
 * Waits for the first item, so that a failure before it is answered with a status of its own instead of a broken stream.
 */
async function begun<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = source[Symbol.asyncIterator]();
  const first = iterator.next();
  await first;
  return resumed(iterator, first);
}

function resumed<T>(iterator: AsyncIterator<T>, first: Promise<IteratorResult<T>>): AsyncIterableIterator<T> {
  let waiting: Promise<IteratorResult<T>> | undefined = first;
  // The client may be gone before anybody looks at it.
  first.catch(() => {});
  return {
    next: () => {
      const next = waiting ?? iterator.next();
      waiting = undefined;
      return next;
    },
    return: async () => {
      await iterator.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
