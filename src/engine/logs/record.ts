/**
 * conmon's k8s-file format, one record a line, in UTC (conmon runs with TZ=UTC0):
 *
 *     2024-01-01T00:00:00.000000000+00:00 stdout F text
 *
 * All that precedes the text has a fixed width. `F` ends a line of the container's output and includes its newline; `P` is
 * a piece that the next record of the same stream continues, and its newline is not the container's.
 */
export const HEADER_LENGTH = 45;
/** Seconds, fraction: what is compared and printed of the time. */
export const TIME_LENGTH = 29;
const [STREAM_AT, TAG_AT] = [36, 43];
const NEWLINE = 0x0a;
const [PARTIAL, LETTER_O] = [0x50, 0x6f];

export type RecordStream = 'stdout' | 'stderr';

/** A record at `start`, whose newline is at `end`. Undefined when the line is no record (a torn write after a crash). */
export interface LogRecord {
  stream: RecordStream;
  partial: boolean;
  /** The container's bytes are [textStart, textEnd). */
  textStart: number;
  textEnd: number;
}

export function readRecord(buffer: Buffer, start: number, end: number): LogRecord | undefined {
  if (end - start < HEADER_LENGTH || buffer[start + 4] !== 0x2d || buffer[start + 10] !== 0x54 || buffer[start + 35] !== 0x20 || buffer[start + 44] !== 0x20) return undefined;
  const partial = buffer[start + TAG_AT] === PARTIAL;
  return {
    // "stdout", "stderr": the fourth letters differ.
    stream: buffer[start + STREAM_AT + 3] === LETTER_O ? 'stdout' : 'stderr',
    partial,
    textStart: start + HEADER_LENGTH,
    textEnd: partial ? end : end + 1,
  };
}

/** The index of the newline that ends the record at `start`, or -1. */
export function recordEnd(buffer: Buffer, start: number): number {
  return buffer.indexOf(NEWLINE, start);
}

/** Nanoseconds since the epoch in the form in which records carry their time: comparable byte by byte. */
export function timeKey(nanos: bigint): Buffer {
  const clamped = nanos < 0n ? 0n : nanos;
  const seconds = new Date(Number(clamped / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return Buffer.from(`${seconds}.${(clamped % 1_000_000_000n).toString().padStart(9, '0')}`, 'latin1');
}

/** Negative when the record's time is before `key`, 0 when equal. */
export function compareTime(buffer: Buffer, start: number, key: Buffer): number {
  return buffer.compare(key, 0, TIME_LENGTH, start, start + TIME_LENGTH);
}
