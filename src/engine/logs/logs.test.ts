import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { LogOptions, OutputChunk } from '#spec/streams.ts';
import { openLogs } from './open-logs.ts';
import { rotateLog } from './rotator.ts';

const everything: LogOptions = { stdout: true, stderr: true, follow: false, since: undefined, until: undefined, timestamps: false, details: false, tail: undefined };
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-logs-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const second = (n: number): string => `2024-01-01T00:00:${String(n).padStart(2, '0')}.000000000`;
const record = (n: number, stream: string, tag: string, text: string): string => `${second(n)}+00:00 ${stream} ${tag} ${text}\n`;
const write = (...records: string[]): void => writeFileSync(join(dir, 'log'), records.join(''));

async function read(options: Partial<LogOptions> = {}, attributes: Record<string, string> = {}): Promise<OutputChunk[]> {
  const batches = await Array.fromAsync(openLogs({ dir, options: { ...everything, ...options }, running: () => false, signal: AbortSignal.any([]), attributes }));
  return batches.flat();
}
const text = (chunks: OutputChunk[]): string => chunks.map(({ data }) => Buffer.from(data).toString()).join('');
const textOf = async (options: Partial<LogOptions> = {}): Promise<string> => text(await read(options));

describe('reading a log', () => {
  it('gives both streams in order', async () => {
    write(record(1, 'stdout', 'F', 'one'), record(2, 'stderr', 'F', 'two'), record(3, 'stdout', 'F', 'three'));
    const chunks = await read();
    assert.deepEqual(chunks.map(({ stream }) => stream), ['stdout', 'stderr', 'stdout']);
    assert.equal(text(chunks), 'one\ntwo\nthree\n');
  });

  it('selects a stream', async () => {
    write(record(1, 'stdout', 'F', 'one'), record(2, 'stderr', 'F', 'two'));
    assert.equal(await textOf({ stdout: false }), 'two\n');
    assert.equal(await textOf({ stderr: false }), 'one\n');
    assert.equal(await textOf({ stdout: false, stderr: false }), '');
  });

  it('joins partial records without a newline and gives them one time', async () => {
    write(record(1, 'stdout', 'P', 'a'), record(2, 'stderr', 'F', 'x'), record(3, 'stdout', 'P', 'b'), record(4, 'stdout', 'F', 'c'), record(5, 'stdout', 'P', 'end'));
    assert.equal(await textOf(), 'ax\nbc\nend');
    assert.equal(await textOf({ timestamps: true, stderr: false }), `${second(1)}Z abc\n${second(5)}Z end`);
  });

  it('shows time, then details, then text', async () => {
    write(record(1, 'stdout', 'F', 'one'));
    assert.equal(text(await read({ timestamps: true, details: true }, { b: 'x y', a: '1' })), `${second(1)}Z a=1,b=x+y one\n`);
    assert.equal(text(await read({ details: true })), ' one\n');
  });

  it('keeps binary bytes', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index).filter((byte) => byte !== 10));
    writeFileSync(join(dir, 'log'), Buffer.concat([Buffer.from(`${second(1)}+00:00 stdout F `), bytes, Buffer.from('\n')]));
    const chunks = await read();
    assert.deepEqual(Buffer.concat(chunks.map(({ data }) => data)), Buffer.concat([bytes, Buffer.from('\n')]));
  });

  it('takes since inclusively and until inclusively', async () => {
    write(...[1, 2, 3, 4].map((n) => record(n, 'stdout', 'F', String(n))));
    const at = (n: number): bigint => BigInt(Date.UTC(2024, 0, 1, 0, 0, n)) * 1_000_000n;
    assert.equal(await textOf({ since: at(2) }), '2\n3\n4\n');
    assert.equal(await textOf({ since: at(2) + 1n }), '3\n4\n');
    assert.equal(await textOf({ until: at(3) }), '1\n2\n3\n');
    assert.equal(await textOf({ since: at(2), until: at(3) }), '2\n3\n');
  });

  it('leaves out a torn record at the end and reads one that is complete', async () => {
    write(record(1, 'stdout', 'F', 'one'), '2024-01-01T00:00:02.0000');
    assert.equal(await textOf(), 'one\n');
    write(record(1, 'stdout', 'F', 'one'), 'rubbish\n', record(2, 'stdout', 'F', 'two'));
    assert.equal(await textOf(), 'one\ntwo\n');
  });

  it('reads nothing where there is no log', async () => {
    assert.equal(await textOf(), '');
    assert.equal(await textOf({ tail: 5 }), '');
  });

  it('reads rotated files first, oldest first', async () => {
    writeFileSync(join(dir, 'log.9'), record(1, 'stdout', 'F', '1'));
    writeFileSync(join(dir, 'log.10'), record(2, 'stdout', 'F', '2'));
    write(record(3, 'stdout', 'F', '3'));
    assert.equal(await textOf(), '1\n2\n3\n');
    assert.equal(await textOf({ tail: 2 }), '2\n3\n');
    assert.equal(await textOf({ tail: 9 }), '1\n2\n3\n');
  });

  it('reads a hundred thousand lines of all lengths', async () => {
    const lines = Array.from({ length: 100_000 }, (_, index) => 'x'.repeat(index % 97) + index);
    write(...lines.map((line) => record(1, 'stdout', 'F', line)));
    assert.equal(await textOf(), lines.map((line) => `${line}\n`).join(''));
    for (const tail of [1, 17, 5000, 99_999, 100_000]) assert.equal(await textOf({ tail }), lines.slice(-tail).map((line) => `${line}\n`).join(''));
  });
});

describe('tail', () => {
  it('counts lines, not records', async () => {
    write(record(1, 'stdout', 'F', '1'), record(2, 'stdout', 'P', '2a'), record(3, 'stdout', 'P', '2b'), record(4, 'stdout', 'F', '2c'), record(5, 'stdout', 'P', '3'));
    assert.equal(await textOf({ tail: 0 }), '');
    assert.equal(await textOf({ tail: 1 }), '3');
    assert.equal(await textOf({ tail: 2 }), '2a2b2c\n3');
    assert.equal(await textOf({ tail: 3 }), '1\n2a2b2c\n3');
  });

  it('gives whole lines of streams that interleave', async () => {
    write(record(1, 'stdout', 'F', 'old'), record(2, 'stdout', 'P', 'a'), record(3, 'stderr', 'F', 'e'), record(4, 'stdout', 'F', 'b'));
    assert.equal(await textOf({ tail: 2 }), 'ae\nb\n');
    assert.equal(await textOf({ tail: 1 }), 'ab\n');
    assert.equal(await textOf({ tail: 2, stdout: false }), 'e\n');
    assert.equal(await textOf({ tail: 1, stdout: false }), '', 'the other stream counts, as in Docker');
  });
});

describe('following', () => {
  it('gives a chunk a line, survives rotations and ends with the container', async () => {
    let live = true;
    const lines = Array.from({ length: 60 }, (_, index) => `line ${index}`);
    write(record(1, 'stdout', 'F', lines[0] ?? ''));
    const got: string[] = [];
    const log = join(dir, 'log');
    let next = 1;
    const append = (): void => {
      appendFileSync(log, record(1, 'stdout', 'F', lines[next++] ?? ''));
    };
    for await (const batch of openLogs({ dir, options: { ...everything, follow: true }, running: () => live, signal: AbortSignal.any([]) })) {
      for (const { data } of batch) got.push(Buffer.from(data).toString());
      if (got.length < next || next >= lines.length) continue;
      if (next % 20 === 10) {
        // conmon goes on writing to the renamed file until it is told.
        renameSync(log, join(dir, `log.${next}`));
        appendFileSync(join(dir, `log.${next}`), record(1, 'stdout', 'F', lines[next++] ?? ''));
      }
      append();
      if (next === lines.length) live = false;
    }
    assert.deepEqual(got, lines.map((line) => `${line}\n`));
  });

  it('ends when the client goes', async () => {
    write(record(1, 'stdout', 'F', 'one'));
    const gone = new AbortController();
    for await (const batch of openLogs({ dir, options: { ...everything, follow: true }, running: () => true, signal: gone.signal })) {
      assert.equal(text(batch), 'one\n');
      gone.abort();
    }
  });

  it('with tail 0 gives only what is new', async () => {
    write(record(1, 'stdout', 'F', 'old'));
    let live = true;
    let looks = 0;
    const running = (): boolean => {
      if (looks++ === 0) appendFileSync(join(dir, 'log'), record(2, 'stdout', 'F', 'new'));
      return live;
    };
    for await (const batch of openLogs({ dir, options: { ...everything, follow: true, tail: 0 }, running, signal: AbortSignal.any([]) })) {
      assert.equal(text(batch), 'new\n');
      live = false;
    }
  });
});

describe('rotation', () => {
  const entry = { id: 'x', bundle: '/', maxSize: 10, maxFiles: 3 };
  const reopen = async (_bundle: string, path: string): Promise<void> => writeFileSync(path, '');

  it('keeps as many files as it may', async () => {
    for (let n = 1; n <= 5; n++) {
      write(record(n, 'stdout', 'F', String(n)));
      await rotateLog({ ...entry, dir, compress: false }, reopen);
    }
    assert.deepEqual(readdirSync(dir).sort(), ['log', 'log.4', 'log.5']);
    assert.equal(await textOf(), '4\n5\n');
  });

  it('compresses all but the newest and reads them back', async () => {
    for (let n = 1; n <= 3; n++) {
      write(record(n, 'stdout', 'F', String(n)));
      await rotateLog({ ...entry, dir, maxFiles: 5, compress: true }, reopen);
    }
    assert.deepEqual(readdirSync(dir).sort(), ['log', 'log.1.gz', 'log.2.gz', 'log.3']);
    assert.equal(await textOf(), '1\n2\n3\n');
    assert.equal(await textOf({ tail: 2 }), '2\n3\n');
  });

  it('with a single file keeps none of the old', async () => {
    write(record(1, 'stdout', 'F', '1'));
    await rotateLog({ ...entry, dir, maxFiles: 1, compress: false }, reopen);
    assert.deepEqual(readdirSync(dir), ['log']);
  });

  it('leaves the log as it was when the monitor is gone', async () => {
    write(record(1, 'stdout', 'F', '1'));
    await rotateLog({ ...entry, dir, compress: false }, async () => {});
    assert.deepEqual(readdirSync(dir), ['log']);
    assert.equal(readFileSync(join(dir, 'log'), 'utf8'), record(1, 'stdout', 'F', '1'));
  });

  it('finishes what a crash left half done', async () => {
    writeFileSync(join(dir, 'log.1'), record(1, 'stdout', 'F', '1'));
    await rotateLog({ ...entry, dir, compress: false }, reopen);
    assert.deepEqual(readdirSync(dir).sort(), ['log', 'log.1']);
  });
});
