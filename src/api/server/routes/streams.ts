import type { LogBatch } from '#spec/streams.ts';
import { frameChunks, frameError } from '../../stdcopy.ts';
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
    if (!tty) yield frameChunks(batch);
    else yield batch.length === 1 ? batch[0]!.data : Buffer.concat(batch.map((chunk) => chunk.data));
  }
}

async function* stringify(values: AsyncIterable<unknown>, end: string): AsyncGenerator<string> {
  for await (const value of values) yield JSON.stringify(value) + end;
}

/**
 * Waits for the first item, so that a failure before it is answered with a status of its own instead of a broken stream.
 */
async function begun<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  return (async function* () {
    try {
      if (first.done === true) return;
      yield first.value;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  })();
}
