/** The engine and its keeper: who restarts whom, and that nobody is ever refused. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { until } from '../clients/docker-cli.ts';
import { ping, startEngine } from '../rig.ts';

const source = new URL('../../src/', import.meta.url).pathname;

async function run(script: string, args: string[], env: Record<string, string> = {}): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(source, script), ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  return { code, out, err };
}

/** A client in a loop; `refused` must stay 0. */
function watchRefusals(socket: string): { stop(): Promise<{ refused: number; answered: number }> } & Disposable {
  let going = true;
  const counts = { refused: 0, answered: 0 };
  const loop = (async () => {
    while (going) {
      const status = await ping(socket);
      if (status === -1) counts.refused++;
      if (status === 200) counts.answered++;
    }
  })();
  return {
    stop: async () => {
      going = false;
      await loop;
      return counts;
    },
    [Symbol.dispose]() {
      going = false;
    },
  };
}

test('a killed engine is there again within a second, and no client is refused', async (context) => {
  const engine = await startEngine();
  after(() => engine.stop());
  const { url, run: folder, root } = engine;
  const socket = url.slice('unix://'.length);
  const gone = async (pid: number): Promise<void> => until(async () => engine.enginePid() !== pid && (await ping(socket)) === 200);

  await context.test('SIGKILL of the engine', async () => {
    using watch = watchRefusals(socket);
    const times: number[] = [];
    for (let kill = 0; kill < 5; kill++) {
      const pid = engine.enginePid();
      process.kill(pid, 'SIGKILL');
      const began = Date.now();
      await gone(pid);
      times.push(Date.now() - began);
    }
    const { refused, answered } = await watch.stop();
    assert.equal(refused, 0);
    assert.ok(answered > 0);
    // From sources, with types to strip, on a busy machine: the median is what a person sees.
    assert.ok((times.toSorted((a, b) => a - b)[2] ?? 0) < 2000, `it took ${times.join(', ')} ms`);
  });

  await context.test('SIGKILL of the keeper: the engine goes on and has another; that one keeps it too', async () => {
    using watch = watchRefusals(socket);
    const [pid, keeper] = [engine.enginePid(), engine.keeperPid()];
    process.kill(keeper, 'SIGKILL');
    await until(async () => engine.keeperPid() !== keeper && engine.keeperPid() > 0);
    // What comes next kills the engine, which says so only now.
    await until(async () => readFileSync(join(root, 'log', 'engine.log'), 'utf8').includes('the keeper was gone'));
    assert.equal(engine.enginePid(), pid);
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    assert.equal((await watch.stop()).refused, 0);
  });

  await context.test('a restart on demand', async () => {
    using watch = watchRefusals(socket);
    const pid = engine.enginePid();
    process.kill(engine.keeperPid(), 'SIGUSR1');
    await gone(pid);
    assert.equal((await watch.stop()).refused, 0);
  });

  await context.test('another start is none', async () => {
    const pid = engine.enginePid();
    const again = await run('keeper.ts', ['--data-root', root, '--exec-root', folder]);
    assert.deepEqual([again.code, engine.enginePid()], [0, pid]);
    const direct = await run('daemon.ts', ['--data-root', root, '--exec-root', folder]);
    assert.equal(direct.code, 1);
    assert.match(direct.err, /another engine runs in/);
  });

  await context.test('the socket is for its group alone', () => {
    assert.equal(statSync(socket).mode & 0o777, 0o660);
    assert.equal(statSync(root).mode & 0o777, 0o700);
  });

  await context.test('what the engine says, and that it was killed, is in its log', () => {
    const log = readFileSync(join(root, 'log', 'engine.log'), 'utf8');
    assert.match(log, /level=info msg="the engine is ready"/);
    assert.match(log, /the engine ended with status 137 and is started again/);
    assert.match(log, /the keeper was gone; another took its place/);
  });
});

test('twenty at once start one engine', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-twenty-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const args = ['--data-root', join(folder, 'root'), '--exec-root', join(folder, 'run')];
  const results = await Promise.all(Array.from({ length: 20 }, () => run('keeper.ts', args)));
  assert.deepEqual(results.map(({ code, err }) => [code, err]), results.map(() => [0, '']));
  const socket = join(folder, 'run', 'gantry.sock');
  await until(async () => (await ping(socket)) === 200);
  const log = readFileSync(join(folder, 'root', 'log', 'engine.log'), 'utf8');
  assert.equal(log.match(/the engine is ready/g)?.length, 1);
  const keeper = Number(readFileSync(join(folder, 'run', 'keeper.pid'), 'utf8'));
  process.kill(keeper, 'SIGTERM');
  await until(async () => !existsSync(`/proc/${keeper}`));
  assert.ok(!existsSync(socket), 'a deliberate end takes the socket away');
});

test('an engine that keeps failing is not started for ever in a loop, and a refused configuration not at all', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-refused-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const args = ['--data-root', join(folder, 'root'), '--exec-root', join(folder, 'run')];
  const refused = await run('keeper.ts', [...args, '--host', 'tcp://127.0.0.1:1']);
  assert.equal(refused.code, 78);
  assert.match(refused.err, /--allow-insecure-tcp/);
  assert.ok(!existsSync(join(folder, 'run', 'gantry.sock')));
});

test('engine start, status, restart, logs and stop', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-commands-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const env = { GANTRY_DATA_ROOT: join(folder, 'root'), GANTRY_EXEC_ROOT: join(folder, 'run') };
  const gantry = (...args: string[]) => run('gantry.ts', ['engine', ...args], env);
  assert.deepEqual((await gantry('status')).code, 3);
  assert.match((await gantry('start', '--label', 'x=y')).out, /^The engine runs \(pid \d+\)/);
  const pid = (await gantry('status', '--format', '{{.Pid}}')).out;
  assert.match(pid, /^\d+\n$/);
  assert.equal(pid, readFileSync(join(folder, 'run', 'engine.pid'), 'utf8'));
  assert.match((await gantry('start')).out, /runs already/);
  assert.equal((await gantry('restart')).code, 0);
  assert.notEqual((await gantry('status', '--format', '{{.Pid}}')).out, pid);
  assert.match((await gantry('logs', '-n', '1')).out, /the engine is ready/);
  assert.match((await gantry('stop')).out, /^The engine is stopped/);
  assert.match((await gantry('stop')).out, /does not run/);
});
