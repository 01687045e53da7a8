import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRefusal } from './refusal.ts';

const create = { action: 'create', program: 'nope', cwd: '/' } as const;
const tail = (stderr: string, context: Parameters<typeof parseRefusal>[1] = create): [number, string] => {
  const { exitCode, message } = parseRefusal(stderr, context);
  return [exitCode, message.replace(/^.*unable to start container process: /, '')];
};

describe('what a runtime refuses', () => {
  it('says it as Docker does', () => {
    assert.equal(
      parseRefusal('{"msg":"executable file `nope` not found in $PATH: No such file or directory","level":"error"}', create).message,
      'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
    );
    assert.equal(
      parseRefusal('crun: executable file `nope` not found', { ...create, action: 'exec' }).message,
      'OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
    );
  });

  it('knows 127 from 126 from the rest', () => {
    const path = { ...create, program: '/x' };
    assert.deepEqual(tail('crun: executable file `/x` not found: No such file or directory', path), [127, 'exec: "/x": stat /x: no such file or directory: unknown']);
    assert.deepEqual(tail('crun: open executable: Permission denied', path), [126, 'exec: "/x": permission denied: unknown']);
    assert.deepEqual(tail('crun: open executable: Operation not permitted', path), [126, 'exec: "/x": is a directory: unknown: permission denied']);
    assert.deepEqual(tail('crun: chdir to `/etc/passwd`: Not a directory', { ...path, cwd: '/etc/passwd' }), [126, 'chdir to cwd ("/etc/passwd") set in config.json failed: not a directory: unknown']);
    assert.deepEqual(tail('crun: mount `x` to `/y`: No such device', path), [128, 'mount `x` to `/y`: No such device: unknown']);
  });

  it('reads runc’s log lines', () => {
    const line = 'time="2024-01-01T00:00:00Z" level=error msg="runc create failed: unable to start container process: exec: \\"nope\\": executable file not found in $PATH"';
    assert.deepEqual(tail(line), [127, 'exec: "nope": executable file not found in $PATH: unknown']);
  });

  it('finds words for silence', () => {
    assert.deepEqual(tail(''), [128, 'the runtime failed without a message: unknown']);
  });
});
