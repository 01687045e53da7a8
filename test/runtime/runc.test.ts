import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { EngineError } from '../../src/base/errors.ts';
import { gone, RuntimeRig } from './rig.ts';

describe('runc in crun’s place', { skip: !existsSync('/usr/sbin/runc') ? 'runc is not installed' : false }, () => {
  let rig: RuntimeRig;
  before(() => {
    rig = new RuntimeRig('runc');
  });
  after(() => rig[Symbol.asyncDispose]());

  it('runs, is signalled, paused and removed', async () => {
    const options = rig.bundle({ args: ['sh', '-c', 'echo hi; exec sleep 100'] });
    const { pid } = await rig.launch(options);
    const connection = await rig.monitor.attach(options.bundle, { input: false });
    await rig.runtime.start(options.id);
    const first = await connection.output[Symbol.asyncIterator]().next();
    assert.equal(Buffer.from(first.value?.data ?? []).toString(), 'hi\n');
    await rig.runtime.pause(options.id);
    await rig.runtime.resume(options.id);
    await rig.runtime.update(options.id, { pids: { limit: 30 } });
    const exec = rig.exec(options, { args: ['sh', '-c', 'exit 9'] });
    await rig.launch(exec);
    assert.equal((await rig.exit(exec.id)).code, 9);
    assert.ok(await rig.runtime.kill(options.id, 9));
    assert.equal((await rig.exit(options.id)).code, 137);
    connection.close();
    await rig.remove(options);
    await gone(pid);
  });

  it('refuses in Docker’s words', async () => {
    const options = rig.bundle({ args: ['nope'] });
    await assert.rejects(rig.launch(options), (error: unknown) => {
      assert.ok(error instanceof EngineError);
      assert.deepEqual(error.details['refusal'], {
        exitCode: 127,
        message:
          'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
      });
      return true;
    });
    await rig.remove(options);
  });
});
