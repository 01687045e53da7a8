import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '#base/errors.ts';
import { asExecId, type ContainerId } from '#spec/ids.ts';
import type { StdioSession } from '#spec/streams.ts';
import { FakeEngine } from './engine.fake.ts';

async function running(engine: FakeEngine): Promise<ContainerId> {
  const id = engine.create();
  await engine.lifecycle.start(id);
  return id;
}

async function textOf(session: StdioSession | undefined): Promise<string> {
  let text = '';
  for await (const { data } of session?.output ?? []) text += Buffer.from(data).toString();
  return text;
}

test('an exec runs, is inspected and ends', async () => {
  using engine = new FakeEngine();
  const container = await running(engine);
  const { Id } = await engine.execs.create(container, { Cmd: ['id', '-u'], AttachStdout: true });
  assert.deepEqual(engine.execs.ofContainer(container), [Id]);
  const session = await engine.execs.start(Id, {});
  assert.equal((await engine.execs.inspect(Id)).Running, true);
  engine.machine.processes.get(Id)?.connections[0]?.say('stdout', '0\n');
  engine.machine.end(Id, 7);
  engine.execs.ended(asExecId(Id), { code: 7, at: 0n, oomKilled: false });
  assert.equal(await textOf(session), '0\n');
  const { Running, ExitCode, ProcessConfig } = await engine.execs.inspect(Id);
  assert.deepEqual([Running, ExitCode, ProcessConfig.entrypoint, ProcessConfig.arguments], [false, 7, 'id', ['-u']]);
  assert.deepEqual(engine.execs.ofContainer(container), []);
  assert.deepEqual(engine.told().slice(-3), ['container exec_create: id -u', 'container exec_start: id -u', 'container exec_die']);
});

test('what the runtime refuses comes as output with its exit code', async () => {
  using engine = new FakeEngine();
  const { Id } = await engine.execs.create(await running(engine), { Cmd: ['nonesuch'], AttachStdout: true });
  engine.machine.refuse = new EngineError('invalid_argument', 'exec: "nonesuch": not found', { details: { refusal: { exitCode: 127, message: '' } } });
  assert.equal(await textOf(await engine.execs.start(Id, {})), 'exec: "nonesuch": not found\r\n');
  assert.equal((await engine.execs.inspect(Id)).ExitCode, 127);
});

test('refusals in docker\'s words', async () => {
  using engine = new FakeEngine();
  const stopped = engine.create();
  await assert.rejects(engine.execs.create(stopped, { Cmd: ['x'] }), { message: `container ${stopped} is not running`, code: 'conflict' });
  await assert.rejects(engine.execs.inspect('zz'), { message: 'No such exec instance: zz', code: 'not_found' });
  const container = await running(engine);
  await assert.rejects(engine.execs.create(container, { Cmd: [] }), /No exec command specified/);
  const { Id } = await engine.execs.create(container, { Cmd: ['x'] });
  await engine.execs.start(Id, { Detach: true });
  await assert.rejects(engine.execs.start(Id, {}), /is already running/);
  engine.execs.ended(asExecId(Id), { code: 0, at: 0n, oomKilled: false });
  await assert.rejects(engine.execs.start(Id, {}), /has already run/);
  await engine.lifecycle.pause(container);
  await assert.rejects(engine.execs.create(container, { Cmd: ['x'] }), /is paused/);
});

test('an exec ends with its container', async () => {
  using engine = new FakeEngine();
  const container = await running(engine);
  const { Id } = await engine.execs.create(container, { Cmd: ['sleep', '9'] });
  await engine.execs.start(Id, { Detach: true });
  engine.execs.containerEnded(container);
  assert.equal((await engine.execs.inspect(Id)).ExitCode, 137);
});
