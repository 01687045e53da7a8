import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EngineError } from '#base/errors.ts';
import { FakeEngine } from './engine.fake.ts';

const signal = new AbortController().signal;

test('a container runs, ends and leaves nothing of its run', async () => {
  using engine = new FakeEngine();
  const id = engine.create({ Labels: { a: 'b' } }, 'one');
  await engine.lifecycle.start(id);
  assert.equal(engine.status(id), 'running');
  const ended = engine.context.waits.next(id, 'next-exit', signal);
  engine.machine.end(id, 3);
  assert.deepEqual(await ended, { StatusCode: 3 });
  assert.equal(engine.status(id), 'exited');
  assert.equal(engine.context.store.require(id).exitCode, 3);
  assert.deepEqual([...engine.mounted], []);
  assert.equal(engine.sandboxes.size, 0);
  assert.deepEqual(readdirSync(`${engine.folder}/run/containers`), []);
  assert.deepEqual(engine.told(), ['container create', 'network connect', 'container start', 'network disconnect', 'container die']);
});

test('--rm removes it, its record, its hold on the image and its folder', async () => {
  using engine = new FakeEngine();
  const id = engine.create({ HostConfig: { AutoRemove: true } });
  await engine.lifecycle.start(id);
  const removed = engine.context.waits.next(id, 'removed', signal);
  engine.machine.end(id, 0);
  assert.deepEqual(await removed, { StatusCode: 0 });
  assert.equal(engine.status(id), undefined);
  assert.equal(engine.held.size, 0);
  assert.ok(!existsSync(engine.context.layout.container(id)));
  assert.equal(engine.told().at(-1), 'container destroy');
});

test('a start that the runtime refuses keeps the exit code and is undone', async () => {
  using engine = new FakeEngine();
  const id = engine.create();
  engine.machine.refuse = new EngineError('invalid_argument', 'exec: "x": executable file not found', { details: { refusal: { exitCode: 127, message: '' } } });
  await assert.rejects(engine.lifecycle.start(id), /executable file not found/);
  const record = engine.context.store.require(id);
  assert.deepEqual([record.life.status, record.exitCode, record.starting], ['created', 127, false]);
  assert.match(record.error, /not found/);
  assert.deepEqual([...engine.mounted], []);
  assert.equal(engine.sandboxes.size, 0);
  await engine.lifecycle.start(id);
  assert.equal(engine.status(id), 'running');
});

test('a start without a network is undone, and a container with --rm goes altogether', async () => {
  using engine = new FakeEngine();
  const id = engine.create({ HostConfig: { AutoRemove: true } });
  engine.networkFailure = new Error('port is already allocated');
  await assert.rejects(engine.lifecycle.start(id), /failed to set up container networking: port is already allocated/);
  assert.equal(engine.status(id), undefined);
  assert.deepEqual([...engine.mounted], []);
});

test('stop escalates to SIGKILL and keeps the policy from restarting', async () => {
  using engine = new FakeEngine();
  engine.machine.deadly = new Set([9]);
  const id = engine.create({ HostConfig: { RestartPolicy: { Name: 'always' } } });
  await engine.lifecycle.start(id);
  await engine.lifecycle.stop(id, { signal: undefined, timeout: 0 });
  assert.deepEqual(engine.machine.signals, [`${id}:15`, `${id}:9`]);
  assert.equal(engine.status(id), 'exited');
  assert.deepEqual(engine.told().filter((event) => event.startsWith('container')).slice(-3), ['container kill', 'container die', 'container stop']);
  await assert.rejects(engine.lifecycle.stop(id, { signal: undefined, timeout: 0 }), { code: 'not_modified' });
});

test('on-failure restarts as often as allowed', async () => {
  using engine = new FakeEngine();
  const id = engine.create({ HostConfig: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 1 } } });
  await engine.lifecycle.start(id);
  engine.machine.end(id, 1);
  await engine.until(id, (status) => status === 'restarting');
  await engine.until(id, (status) => status === 'running');
  engine.machine.end(id, 1);
  await engine.until(id, (status) => status === 'exited');
  assert.equal(engine.context.store.require(id).restartCount, 1);
});

test('stop ends the wait for a restart', async () => {
  using engine = new FakeEngine();
  const id = engine.create({ HostConfig: { RestartPolicy: { Name: 'always' } } });
  await engine.lifecycle.start(id);
  engine.machine.end(id, 1);
  await engine.until(id, (status) => status === 'restarting');
  await engine.lifecycle.stop(id, { signal: undefined, timeout: 0 });
  assert.equal(engine.status(id), 'exited');
});

test('a restart by a user keeps a container with --rm', async () => {
  using engine = new FakeEngine();
  const id = engine.create({ HostConfig: { AutoRemove: true } });
  await engine.lifecycle.start(id);
  await engine.lifecycle.restart(id, { signal: undefined, timeout: 0 });
  assert.equal(engine.status(id), 'running');
  assert.deepEqual(engine.told().slice(-3), ['network connect', 'container start', 'container restart']);
});

test('pause and unpause follow the table, in words Docker uses', async () => {
  using engine = new FakeEngine();
  const id = engine.create();
  await assert.rejects(engine.lifecycle.pause(id), /is not running/);
  await engine.lifecycle.start(id);
  await engine.lifecycle.pause(id);
  await assert.rejects(engine.lifecycle.pause(id), /is already paused/);
  await assert.rejects(engine.lifecycle.start(id), /cannot start a paused container/);
  await engine.lifecycle.unpause(id);
  assert.equal(engine.status(id), 'running');
  await assert.rejects(engine.lifecycle.unpause(id), /is not paused/);
});

test('a running container is removed by force alone', async () => {
  using engine = new FakeEngine();
  const id = engine.create({}, 'busy');
  await engine.lifecycle.start(id);
  await assert.rejects(engine.lifecycle.remove(id, { volumes: false, force: false }), /cannot remove container "\/busy": container is running/);
  await engine.lifecycle.remove(id, { volumes: false, force: true });
  assert.equal(engine.status(id), undefined);
});

test('kill refuses what is no signal and what does not run', async () => {
  using engine = new FakeEngine();
  const id = engine.create({}, 'idle');
  await assert.rejects(engine.lifecycle.kill(id, 'idle', 'XX'), /cannot kill container: idle: invalid signal: XX/);
  await assert.rejects(engine.lifecycle.kill(id, 'idle', undefined), /cannot kill container: idle: container .* is not running/);
  await engine.lifecycle.start(id);
  engine.machine.deadly = new Set([9]);
  await engine.lifecycle.kill(id, 'idle', 'HUP');
  assert.equal(engine.status(id), 'running');
  assert.deepEqual(engine.machine.signals, [`${id}:1`]);
});

test('the spec joins the sandbox, and the three files are written', async () => {
  using engine = new FakeEngine();
  const id = engine.create({ Hostname: 'me', Domainname: 'example' });
  await engine.lifecycle.start(id);
  const { layout } = engine.context;
  const spec = JSON.parse(readFileSync(`${layout.bundle(id)}/config.json`, 'utf8')) as { linux: { namespaces: unknown[]; cgroupsPath: string } };
  assert.ok(spec.linux.namespaces.some((namespace) => JSON.stringify(namespace) === '{"type":"network","path":"/run/netns/s"}'));
  assert.equal(spec.linux.cgroupsPath, `/gantry-test/${id}`);
  assert.equal(readFileSync(`${layout.container(id)}/hostname`, 'utf8'), 'me\n');
  assert.equal(readFileSync(`${layout.container(id)}/hosts`, 'utf8'), 'hosts');
});

test('a client that attaches before the start, or while it goes on, sees the output', async () => {
  using engine = new FakeEngine();
  const id = engine.create();
  const { attachments, layout } = engine.context;
  const attach = () =>
    attachments.open({
      id, bundle: layout.bundle(id), tty: false, openStdin: false, running: false, logs: undefined,
      options: { logs: false, stream: true, stdin: false, stdout: true, stderr: false, detachKeys: undefined },
    });
  const sessions = [await attach()];
  const { runtime } = engine.machine;
  const start = runtime.start;
  runtime.start = async (container) => {
    sessions.push(await attach());
    await start(container);
  };
  await engine.lifecycle.start(id);
  for (const connection of engine.machine.processes.get(id)?.connections ?? []) {
    connection.say('stdout', 'out');
    connection.say('stderr', 'err');
  }
  engine.machine.end(id, 0);
  for (const session of sessions) {
    const chunks = await Array.fromAsync(session.output);
    assert.deepEqual(chunks.map(({ data }) => Buffer.from(data).toString()), ['out']);
  }
});

test('a client that waits for a start which fails sees the end', async () => {
  using engine = new FakeEngine();
  const id = engine.create();
  const session = await engine.context.attachments.open({
    id, bundle: '', tty: false, openStdin: false, running: false, logs: undefined,
    options: { logs: false, stream: true, stdin: false, stdout: true, stderr: true, detachKeys: undefined },
  });
  engine.machine.refuse = new Error('no');
  await assert.rejects(engine.lifecycle.start(id), /no/);
  assert.deepEqual(await Array.fromAsync(session.output), []);
});
