import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeEngine } from './engine.fake.ts';
import { recoverContainers, type RecoveryReport } from './recovery.ts';

const recover = ({ context, lifecycle, health, execs }: FakeEngine): Promise<RecoveryReport> => recoverContainers({ context, lifecycle, health, execs });

test('what runs is left alone', async () => {
  using engine = new FakeEngine();
  const id = engine.create();
  await engine.lifecycle.start(id);
  const report = await recover(engine);
  assert.deepEqual([report.running, report.ended, report.rolledBack], [1, 0, 0]);
  assert.equal(engine.status(id), 'running');
  assert.equal(engine.mounted.size, 1);
});

test('an exit that nobody saw is settled with its code, and the policy acts on it', async () => {
  using engine = new FakeEngine();
  const [plain, again] = [engine.create(), engine.create({ HostConfig: { RestartPolicy: { Name: 'always' } } })];
  for (const id of [plain, again]) {
    await engine.lifecycle.start(id);
    engine.machine.vanish(id);
  }
  engine.machine.exits.set(plain, { code: 5, at: 1n, oomKilled: true });
  const report = await recover(engine);
  assert.equal(report.ended, 2);
  const record = engine.context.store.require(plain);
  assert.deepEqual([record.life.status, record.exitCode, record.oomKilled], ['exited', 5, true]);
  assert.equal(engine.status(again), 'restarting');
  assert.equal(engine.context.store.require(again).exitCode, 255);
});

test('a half-made start is rolled back; with --rm the container goes', async () => {
  using engine = new FakeEngine();
  const [kept, removed] = [engine.create(), engine.create({ HostConfig: { AutoRemove: true } })];
  for (const id of [kept, removed]) {
    engine.context.store.change(id, { starting: true });
    engine.context.rootfs.acquire(engine.context.store.require(id));
    mkdirSync(engine.context.layout.bundle(id), { recursive: true });
  }
  const report = await recover(engine);
  assert.equal(report.rolledBack, 2);
  assert.equal(engine.status(kept), 'created');
  assert.equal(engine.context.store.require(kept).starting, false);
  assert.equal(engine.status(removed), undefined);
  assert.equal(engine.mounted.size, 0);
});

test('a start that went through but was not recorded is finished, with the exit when there is one', async () => {
  using engine = new FakeEngine();
  const { layout, store } = engine.context;
  const [living, done] = [engine.create(), engine.create()];
  for (const id of [living, done]) {
    store.change(id, { starting: true });
    const bundle = layout.bundle(id);
    mkdirSync(bundle, { recursive: true });
    mkdirSync(join(layout.runtimeState, id));
    writeFileSync(join(layout.runtimeState, id, 'status'), '{}');
    const { pid } = await engine.machine.monitor.launch({
      id, bundle, runtime: '', runtimeState: '', exitDir: layout.exits, terminal: false, stdin: false, stdinStaysOpen: false, log: undefined,
    });
    writeFileSync(join(bundle, 'pid'), String(pid));
  }
  engine.machine.vanish(done);
  engine.machine.exits.set(done, { code: 4, at: 1n, oomKilled: false });
  const report = await recover(engine);
  assert.deepEqual([report.running, report.ended, report.rolledBack], [1, 1, 0]);
  assert.equal(engine.status(living), 'running');
  assert.deepEqual([engine.status(done), store.require(done).exitCode], ['exited', 4]);
});

test('--rm is kept where the engine ended between the exit and the removal; without it, or never started, they stay', async () => {
  using engine = new FakeEngine();
  const { store } = engine.context;
  const [over, failed, fresh, plain] = [{ AutoRemove: true }, { AutoRemove: true }, { AutoRemove: true }, {}].map((HostConfig) => engine.create({ HostConfig }));
  assert.ok(over && failed && fresh && plain);
  for (const id of [over, plain]) {
    await engine.lifecycle.start(id);
    store.change(id, { life: { status: 'exited' } });
  }
  store.change(failed, { error: 'it did not start' });
  const report = await recover(engine);
  assert.equal(report.removed, 2);
  assert.deepEqual([over, failed, fresh, plain].map((id) => engine.status(id)), [undefined, undefined, 'created', 'exited']);
});

test('a half-made removal is finished', async () => {
  using engine = new FakeEngine();
  const id = engine.create();
  engine.context.store.change(id, { life: { status: 'removing', volumes: true } });
  await recover(engine);
  assert.equal(engine.status(id), undefined);
});

test('what no record knows is removed, what has one stays', async () => {
  using engine = new FakeEngine();
  const { layout } = engine.context;
  const id = engine.create();
  await engine.lifecycle.start(id);
  const stray = 'f'.repeat(64);
  mkdirSync(join(layout.container(stray), 'upper'), { recursive: true });
  mkdirSync(layout.bundle(stray), { recursive: true });
  writeFileSync(join(layout.bundle(stray), 'config.json'), '{}');
  await recover(engine);
  assert.deepEqual(readdirSync(layout.containers), [id]);
  assert.ok(existsSync(layout.bundle(id)) && !existsSync(layout.bundle(stray)));
});

test('always starts at boot what a user had stopped, but not after a mere restart of the engine', async () => {
  using engine = new FakeEngine();
  const id = engine.create({ HostConfig: { RestartPolicy: { Name: 'always' } } });
  await engine.lifecycle.start(id);
  await engine.lifecycle.stop(id, { signal: undefined, timeout: 0 });
  assert.equal((await recover(engine)).booted, true);
  await engine.until(id, (status) => status === 'running');
  await engine.lifecycle.stop(id, { signal: undefined, timeout: 0 });
  assert.equal((await recover(engine)).booted, false);
  assert.equal(engine.status(id), 'exited');
});
