import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { COMPILED_FILTER, SeccompCache } from '#engine/oci/seccomp-cache.ts';
import { Sandbox, skip } from './sandbox.ts';

const seccomp = 'cat /proc/self/status | grep Seccomp:; mkdir /tmp/made 2>&1; mount -t tmpfs x /tmp 2>&1; true';

describe('compiled system call filters', { skip }, () => {
  const box = new Sandbox();
  after(() => box[Symbol.dispose]());
  const folder = join(box.folder, 'filters');
  const cache = new SeccompCache({ folder, runtime: 'crun test' });

  test('what crun compiled serves the next container, in this process and the next, for exec too', () => {
    let key: string | undefined;
    const first = box.start({ change: (spec) => void (key = cache.apply(spec)) });
    assert.ok(key);
    cache.remember(key, join(box.state, first.id));
    assert.deepEqual(readdirSync(folder), [key]);
    for (const each of [cache, new SeccompCache({ folder, runtime: 'crun test' })]) {
      let missing: string | undefined = 'none';
      const { stdout } = box.run(seccomp, {
        change: (spec) => {
          missing = each.apply(spec);
          assert.ok(spec.annotations?.[COMPILED_FILTER]);
          assert.deepEqual(spec.linux.seccomp?.syscalls, []);
        },
      });
      assert.equal(missing, undefined);
      assert.match(stdout, /^Seccomp:\t2$/m);
      assert.match(stdout, /mount: .*(denied|permitted)/);
    }
    const later = box.start({ change: (spec) => void cache.apply(spec) });
    const process = { args: ['sh', '-c', 'grep Seccomp: /proc/self/status'], env: ['PATH=/bin'], cwd: '/', user: { uid: 0, gid: 0 } };
    assert.match(box.exec(later.id, later.bundle, process).stdout, /^Seccomp:\t2$/m);
  });

  test('another profile is another filter; no profile is none', () => {
    const apply = (hostConfig: object): string | undefined => {
      let key: string | undefined;
      box.compile({ config: { Cmd: ['true'] }, hostConfig, change: (spec) => void (key = cache.apply(spec)) });
      return key;
    };
    assert.ok(apply({ CapAdd: ['SYS_ADMIN'] }));
    assert.equal(apply({ SecurityOpt: ['seccomp=unconfined'] }), undefined);
  });

  test('half a file is no filter', () => {
    const [key = ''] = readdirSync(folder);
    writeFileSync(join(folder, key), 'abc');
    const fresh = new SeccompCache({ folder, runtime: 'crun test' });
    assert.equal(box.compile({ config: { Cmd: ['true'] }, change: (spec) => void fresh.apply(spec) }).annotations, undefined);
  });
});
