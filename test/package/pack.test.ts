/** `npm pack` makes something that runs where there is no checkout. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';

const checkout = new URL('../../', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'gantry-pack-'));
const prefix = join(folder, 'prefix');
const installed = join(prefix, 'lib/node_modules/gantry');
// As on the user's machine: no Node of ours on the path, engine folders of the test's own.
const env = {
  ...process.env,
  PATH: (process.env['PATH'] ?? '').split(delimiter).filter((entry) => !entry.startsWith(checkout)).join(delimiter),
  GANTRY_DATA_ROOT: join(folder, 'root'),
  GANTRY_EXEC_ROOT: join(folder, 'run'),
  NODE_OPTIONS: '',
  DOCKER_HOST: '',
};
const gantry = (...args: string[]) => spawnSync(join(prefix, 'bin/gantry'), args, { cwd: folder, env, encoding: 'utf8' });

before(() => {
  const out = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: checkout, encoding: 'utf8' });
  const tarball = join(folder, out.trim().split('\n').at(-1) ?? '');
  execFileSync('npm', ['install', '--global', '--prefix', prefix, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', tarball], { cwd: folder, stdio: 'inherit' });
});
after(() => {
  for (const id of gantry('ps', '-aq').stdout.trim().split('\n').filter(Boolean)) gantry('rm', '-f', id);
  gantry('engine', 'stop');
  rmSync(folder, { recursive: true, force: true });
});

test('it holds built programs and no sources', () => {
  assert.ok(existsSync(join(installed, 'dist/gantry.js')) && existsSync(join(installed, 'dist/keeper.sh')));
  assert.ok(!existsSync(join(installed, 'src')));
});

test('the command runs from anywhere, through npm\'s link too', () => {
  assert.match(gantry('--version').stdout, /^Gantry version \d+\.\d+\.\d+/);
});

test('it starts an engine and runs a container', () => {
  const made = gantry('image', 'bootstrap', 'busybox');
  assert.equal(made.status, 0, made.stderr);
  const ran = gantry('run', '--rm', 'busybox', 'echo', 'from the package');
  assert.deepEqual([ran.stderr, ran.stdout, ran.status], ['', 'from the package\n', 0]);
  assert.equal(gantry('engine', 'stop').status, 0);
});

test('the library works, with its types', () => {
  const project = join(folder, 'project');
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true });
  symlinkSync(installed, join(project, 'node_modules/gantry'));
  symlinkSync(join(checkout, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'));
  writeFileSync(join(project, 'package.json'), '{"type":"module"}');
  writeFileSync(join(project, 'tsconfig.json'), '{"compilerOptions":{"module":"nodenext","target":"esnext","lib":["esnext"],"types":["node"],"strict":true,"noEmit":true}}');
  writeFileSync(join(project, 'use.ts'), `import { createClient, EngineError } from 'gantry';
const client = createClient({ host: 'unix:///nonexistent.sock' });
try {
  const list: { Id?: string | undefined }[] = await client.containers.list({ all: true });
  console.log(list.length);
} catch (error) {
  console.log(error instanceof EngineError ? error.code : error);
} finally {
  client.close();
}
`);
  const types = spawnSync(process.execPath, [join(checkout, 'node_modules/typescript/bin/tsc'), '-p', project], { encoding: 'utf8' });
  assert.equal(types.status, 0, types.stdout);
  const ran = spawnSync(process.execPath, [join(project, 'use.ts')], { encoding: 'utf8' });
  assert.equal(ran.stdout, 'unavailable\n', ran.stderr);
});
