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

type TestEvent = TestsStream extends AsyncIterable<infer Event> ? Event : never;

const skipped: string[] = [];
const slow: { file: string; seconds: number }[] = [];
let unexplained = 0;

// Tests of networks share the machine's addresses, links and firewall: they run after the others, one at a time.
const alone = files.filter((path) => path.includes('test/network/'));
const phases = [
  { files: files.filter((path) => !alone.includes(path)), concurrency: availableParallelism() },
  { files: alone, concurrency: 1 },
].filter((phase) => phase.files.length > 0);

const reporter = new spec();
reporter.pipe(process.stdout);
/** node:test's closing numbers of all phases together: `tests`, `pass`, ... */
const totals = new Map<string, number>();
for (const phase of phases) {
  const stream = run({ ...phase, timeout: 15 * 60_000, execArgv: ['--disable-warning=ExperimentalWarning'] });
  for await (const event of stream) take(event);
}
process.stdout.write(`${report()}\n`);
for (const [name, count] of totals) reporter.write({ type: 'test:diagnostic', data: { nesting: 0, message: `${name} ${count}`, level: 'info' } });
reporter.end();

function take(event: TestEvent): void {
  if (event.type === 'test:fail' && (event.data.todo === undefined || event.data.todo === false)) process.exitCode = 1;
  if (event.type === 'test:summary' && event.data.file !== undefined) slow.push({ file: event.data.file.slice(root.length + 1), seconds: event.data.duration_ms / 1000 });
  if (event.type === 'test:pass' && event.data.skip !== undefined && event.data.skip !== false) {
    if (event.data.skip === true) unexplained++;
    skipped.push(`${event.data.name}: ${event.data.skip === true ? 'NO REASON GIVEN' : event.data.skip}`);
  }
  const total = event.type === 'test:diagnostic' && event.data.nesting === 0 ? /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/.exec(event.data.message) : null;
  if (total === null) reporter.write(event);
  else totals.set(total[1] ?? '', (totals.get(total[1] ?? '') ?? 0) + Number(total[2]));
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

