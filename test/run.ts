/** Runs the test files given, or all; prints what was skipped and why before node:test's totals. Exit code 1 on failure. */
import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { run, type TestsStream } from 'node:test';
import { spec } from 'node:test/reporters';

const root = join(import.meta.dirname, '..');
const args = process.argv.slice(2);
const unitOnly = args.includes('--unit');
const named = args.filter((arg) => !arg.startsWith('--'));
const patterns = unitOnly ? ['src/**/*.test.ts'] : ['src/**/*.test.ts', 'test/**/*.test.ts'];
const files = named.length > 0 ? named : globSync(patterns, { cwd: root }).toSorted().map((path) => join(root, path));

// Engines under test are the built ones: what ships, and quick to start.
if (!unitOnly) {
  execFileSync(process.execPath, [join(root, 'scripts/build.ts')], { stdio: 'inherit' });
  process.env['GANTRY_TEST_BUILT'] = '1';
}

const skipped: string[] = [];
const slow: { file: string; seconds: number }[] = [];
let unexplained = 0;

const stream = run({ files, concurrency: availableParallelism(), timeout: 15 * 60_000, execArgv: ['--disable-warning=ExperimentalWarning'] });
stream.on('test:fail', ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1;
});
stream.on('test:summary', ({ file, duration_ms }) => {
  if (file !== undefined) slow.push({ file: file.slice(root.length + 1), seconds: duration_ms / 1000 });
});
withSkips(stream).pipe(process.stdout);

/** The spec reporter's text, with our list in front of the totals. */
function withSkips(events: TestsStream): NodeJS.ReadableStream {
  const reporter = new spec();
  void (async () => {
    let told = false;
    for await (const event of events) {
      if (event.type === 'test:pass' && event.data.skip !== undefined && event.data.skip !== false) {
        if (event.data.skip === true) unexplained++;
        skipped.push(`${event.data.name}: ${event.data.skip === true ? 'NO REASON GIVEN' : event.data.skip}`);
      }
      if (event.type === 'test:diagnostic' && event.data.nesting === 0 && event.data.message.startsWith('tests ') && !told) {
        told = true;
        process.stdout.write(`${report()}\n`);
      }
      reporter.write(event);
    }
    reporter.end();
  })();
  return reporter;
}

function report(): string {
  if (unexplained > 0) process.exitCode = 1;
  const times = slow.toSorted((a, b) => b.seconds - a.seconds).slice(0, 10);
  return [
    '',
    skipped.length === 0 ? 'No test was skipped.' : `Skipped (${skipped.length}), and why:`,
    ...skipped.map((line) => `  - ${line}`),
    'Slowest files:',
    ...times.map(({ file, seconds }) => `  ${seconds.toFixed(1).padStart(6)} s  ${file}`),
  ].join('\n');
}

