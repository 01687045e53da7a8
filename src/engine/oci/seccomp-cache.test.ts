import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { RuntimeSpec } from '#spec/oci-runtime.ts';
import { COMPILED_FILTER, SeccompCache } from './seccomp-cache.ts';

const spec = (name: string): RuntimeSpec => ({
  ociVersion: '1.0.2',
  process: { args: [], env: [], cwd: '/', user: { uid: 0, gid: 0 } },
  root: { path: '/' },
  mounts: [],
  linux: { namespaces: [], seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: [name], action: 'SCMP_ACT_ERRNO' }] } },
});

describe('kept filters', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-filters-'));
  after(() => rmSync(folder, { recursive: true }));
  const state = join(folder, 'state');
  mkdirSync(state);
  const keep = (cache: SeccompCache, name: string, bytes: Buffer): void => {
    writeFileSync(join(state, 'seccomp.bpf'), bytes);
    const key = cache.apply(spec(name));
    if (key !== undefined) cache.remember(key, state);
  };

  test('by profile and by runtime; what is no filter is not kept', () => {
    const cache = new SeccompCache({ folder: join(folder, 'one'), runtime: 'crun 1' });
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(9), Buffer.alloc(8 * 5000)]) keep(cache, 'mkdir', bytes);
    assert.ok(cache.apply(spec('mkdir')));
    keep(cache, 'mkdir', Buffer.alloc(16, 1));
    const known = spec('mkdir');
    assert.equal(cache.apply(known), undefined);
    assert.deepEqual([known.annotations, known.linux.seccomp], [
      { [COMPILED_FILTER]: Buffer.alloc(16, 1).toString('base64') }, { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [] },
    ]);
    assert.ok(cache.apply(spec('rmdir')));
    assert.ok(new SeccompCache({ folder: join(folder, 'one'), runtime: 'crun 2' }).apply(spec('mkdir')));
  });
  test('not without end', () => {
    const cache = new SeccompCache({ folder: join(folder, 'many'), runtime: 'crun' });
    for (let index = 0; index < 210; index++) keep(cache, `call${index}`, Buffer.alloc(8));
    assert.equal(readdirSync(join(folder, 'many')).length, 200);
    assert.equal(cache.apply(spec('call209')), undefined);
  });
});
