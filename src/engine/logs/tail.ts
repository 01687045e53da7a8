import type { LogSource } from './log-files.ts';
import { readRecord, type RecordStream } from './record.ts';

/** Where the last lines begin: for each stream, records before this point belong to older lines. */
export interface TailStart {
  source: number;
  position: number;
}

export type TailStarts = Record<RecordStream, TailStart>;

const CHUNK = 256 * 1024;

/**
 * Finds the last `count` lines, reading backwards. Lines of both streams count, whichever the client asked for, as Docker
 * counts. A line is what ends in one newline of the container, however many records it has; output without a newline yet
 * counts as one.
 */
export async function findTail(sources: readonly LogSource[], count: number): Promise<TailStarts> {
  const last = sources.length - 1;
  const end: TailStart = last < 0 ? { source: 0, position: 0 } : { source: last, position: (await sources[last]?.size()) ?? 0 };
  const starts: TailStarts = { stdout: end, stderr: end };
  if (count <= 0) return starts;
  // Streams whose earliest counted line may go on further back.
  const open = new Set<RecordStream>();
  let lines = 0;
  for (let index = last; index >= 0; index--) {
    const source = sources[index];
    if (source === undefined) continue;
    for await (const { buffer, start, end: recordEnd, position } of backwards(source)) {
      const record = readRecord(buffer, start, recordEnd);
      if (record === undefined) continue;
      const { stream } = record;
      if (!record.partial || !open.has(stream)) {
        // This record ends an older line than those seen of its stream.
        open.delete(stream);
        if (lines === count) {
          if (open.size === 0) return starts;
          continue;
        }
        lines++;
        open.add(stream);
      }
      starts[stream] = { source: index, position };
    }
  }
  return starts;
}

/** Complete records from the last to the first. */
async function* backwards(source: LogSource): AsyncGenerator<{ buffer: Buffer; start: number; end: number; position: number }> {
  let tail = await source.size();
  for (let length = CHUNK; tail > 0; ) {
    const base = Math.max(0, tail - length);
    const buffer = await source.read(base, tail - base);
    if (buffer.length === 0) return;
    let end = buffer.lastIndexOf(0x0a);
    if (end < 0) {
      // A torn or oversized record: look at more at once.
      if (base === 0) return;
      length *= 2;
      continue;
    }
    length = CHUNK;
    for (;;) {
      const before = end === 0 ? -1 : buffer.lastIndexOf(0x0a, end - 1);
      if (before < 0 && base > 0) break;
      yield { buffer, start: before + 1, end, position: base + before + 1 };
      if (before < 0) return;
      end = before;
    }
    // The first record in the buffer began earlier: read it again with what precedes it.
    if (base + end + 1 === tail) length *= 2;
    tail = base + end + 1;
  }
}
