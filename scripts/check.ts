/** Everything that is quick to know: types, lint, room directions, dead code, unit tests. Prints each part's time. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const tool = (path: string, ...args: string[]): string[] => [join(root, 'node_modules', path), ...args];

const parts: [name: string, command: string[]][] = [
  ['types', tool('typescript/bin/tsc', '-b', '--pretty', 'false', 'src', 'test')],
  ['lint', tool('oxlint/bin/oxlint', '--type-aware', '--quiet')],
  ['rooms', ['scripts/check-rooms.ts']],
  ['dead code', tool('knip/bin/knip.js', '--no-progress')],
  ['unit tests', ['test/run.ts', '--unit']],
];

let failed = false;
for (const [name, command] of parts) {
  const began = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)\n`);
  if (status !== 0) process.stdout.write(`${stdout}${stderr}`);
  else if (name === 'unit tests') process.stdout.write(`${stdout.slice(stdout.lastIndexOf('\nℹ tests')).trim()}\n`);
  failed ||= status !== 0;
}
process.exitCode = failed ? 1 : 0;
