import assert from 'node:assert/strict';
import { chownSync, existsSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { volumeFillers } from '#engine/volume-fill.ts';
import { VolumeStore, volumeMigrations } from '#engine/volume-store.ts';
import { Volumes } from '#engine/volumes.ts';
import type { VolumeFiller } from '#engine/volume-mounts.ts';
import { openDatabase, type Database } from '#host/database.ts';
import { createJail, type Jail } from '#host/jail.ts';
import { lgetxattr, lsetxattr } from '#host/kernel.ts';
import { kernelMounts } from '#host/mount.ts';
import { asContainerId, type ContainerId } from '#spec/ids.ts';
import { planned, Sandbox, skip } from './sandbox.ts';

const container = asContainerId('a'.repeat(64));
const other = asContainerId('b'.repeat(64));

describe('volumes on a real machine', { skip }, () => {
  const box = new Sandbox();
  let jail: Jail;
  let database: Database;
  let volumes: Volumes;
  before(() => {
    jail = createJail();
    database = openDatabase(join(box.folder, 'state.db'), volumeMigrations);
    volumes = new Volumes({
      store: new VolumeStore(database), root: join(box.folder, 'volumes'), mounts: kernelMounts, clock: systemClock, emit: () => {}, log: silentLog,
      measure: (path) => jail.run({ kind: 'measure', path }),
    });
  });
  after(async () => {
    await jail.close();
    database.close();
    box[Symbol.dispose]();
  });

  const dataPath = (name: string): string => volumes.dataPath({ name, driver: 'local' });
  /** A run's beginning, and its end. */
  async function visit(id: ContainerId, fillers: ReadonlyMap<string, VolumeFiller> = new Map()): Promise<void> {
    await volumes.activate(id, { user: 'run', fillers });
    await volumes.deactivate(id, 'run');
  }

  /** A fresh volume, filled from the image's folder at `destination`. */
  async function filled(name: string, destination: string): Promise<string> {
    volumes.ensure({ name, driver: 'local', driverOpts: {}, labels: {} }, container);
    const mount = planned({ type: 'volume', name, source: dataPath(name), destination, copyUp: true });
    await visit(container, volumeFillers([mount], box.rootfs, jail));
    return dataPath(name);
  }

  test('a fresh volume gets what the image has there, to the last attribute', async () => {
    const source = join(box.rootfs, 'srv');
    mkdirSync(join(source, 'deep/er'), { recursive: true });
    writeFileSync(join(source, 'deep/er/file'), 'text', { mode: 0o640 });
    chownSync(join(source, 'deep/er/file'), 12, 34);
    linkSync(join(source, 'deep/er/file'), join(source, 'twin'));
    symlinkSync('/etc/passwd', join(source, 'link'));
    lsetxattr(join(source, 'deep'), 'user.note', Buffer.from('kept'));
    chownSync(source, 56, 78);
    symlinkSync('srv', join(box.rootfs, 'alias'));
    const data = await filled('data', '/alias');
    assert.equal(readFileSync(join(data, 'deep/er/file'), 'utf8'), 'text');
    const { uid, gid, mode, ino } = statSync(join(data, 'deep/er/file'));
    assert.deepEqual([uid, gid, mode & 0o7777], [12, 34, 0o640]);
    assert.equal(statSync(join(data, 'twin')).ino, ino);
    assert.equal(readlinkSync(join(data, 'link')), '/etc/passwd');
    assert.equal(lgetxattr(join(data, 'deep'), 'user.note')?.toString(), 'kept');
    assert.deepEqual([statSync(data).uid, statSync(data).gid], [56, 78]);
    assert.ok((await volumes.usage())[0]?.UsageData?.Size);
  });

  test('nothing in the image: an empty volume; a file in the image: refused', async () => {
    assert.deepEqual(readdirSync(await filled('empty', '/not/there')), []);
    await assert.rejects(filled('file', '/etc/passwd'), /cannot mount volume over existing file, file exists \/.*\/etc\/passwd/);
  });

  test('CVE-2022-23648: an image’s VOLUME copies nothing of the host', async () => {
    const secret = join(box.folder, 'secret');
    mkdirSync(secret);
    writeFileSync(join(secret, 'key'), 'host');
    symlinkSync(`../../../../../../..${secret}`, join(box.rootfs, 'evil'));
    assert.deepEqual(readdirSync(await filled('evil', '/evil')), []);
    assert.deepEqual(readdirSync(await filled('evil2', `/../../../../..${secret}`)), []);
    mkdirSync(join(box.rootfs, 'good'));
    writeFileSync(join(box.rootfs, 'good/key'), 'image');
    symlinkSync('/good', join(box.rootfs, 'tame'));
    assert.deepEqual(readdirSync(await filled('good', '/tame')), ['key']);
  });

  test('a fill does not follow links that a container plants in the volume meanwhile', async () => {
    const target = join(box.folder, 'target');
    mkdirSync(target);
    mkdirSync(join(box.rootfs, 'race/dir'), { recursive: true });
    writeFileSync(join(box.rootfs, 'race/dir/file'), 'image');
    volumes.ensure({ name: 'race', driver: 'local', driverOpts: {}, labels: {} }, other);
    const data = dataPath('race');
    const mount = planned({ type: 'volume', name: 'race', source: data, destination: '/race', copyUp: true });
    const [[name, filler]] = [...volumeFillers([mount], box.rootfs, jail)] as [[string, VolumeFiller]];
    await visit(other, new Map([[name, { subpath: '', fill: async (staging: string) => {
      const given = await filler.fill(staging);
      symlinkSync(target, join(data, 'dir'));
      return given;
    } }]]));
    assert.ok(lstatSync(join(data, 'dir')).isSymbolicLink());
    assert.equal(existsSync(join(target, 'file')), false);
  });

  test('options: a tmpfs and a bind behind a volume are mounted while containers run on it', async () => {
    const bound = join(box.folder, 'bound');
    mkdirSync(bound);
    const id = asContainerId('c'.repeat(64));
    volumes.ensure({ name: 'ram', driver: 'local', driverOpts: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=5' }, labels: {} }, id);
    volumes.ensure({ name: 'away', driver: 'local', driverOpts: { type: 'none', device: bound, o: 'bind' }, labels: {} }, id);
    await volumes.activate(id, { user: 'run', fillers: new Map() });
    await volumes.activate(id, { user: 'copy-1', fillers: new Map() });
    const mounted = (name: string) => kernelMounts.list(dataPath(name)).map(({ type }) => type);
    assert.deepEqual(mounted('ram'), ['tmpfs']);
    assert.equal(statSync(dataPath('ram')).uid, 5);
    writeFileSync(join(dataPath('away'), 'x'), '');
    assert.ok(existsSync(join(bound, 'x')));
    await volumes.deactivate(id, 'run');
    assert.deepEqual([mounted('ram').length, mounted('away').length], [1, 1], 'the copy still has them');
    await volumes.deactivate(id, 'copy-1');
    assert.deepEqual([mounted('ram'), mounted('away')], [[], []]);
    await volumes.release(id, { removeAnonymous: false });
    await volumes.remove('away', { force: false });
    assert.ok(existsSync(join(bound, 'x')), 'removing the volume leaves what it was bound to');
    volumes.ensure({ name: 'broken', driver: 'local', driverOpts: { type: 'none', device: '/nope/x', o: 'bind' }, labels: {} }, id);
    await assert.rejects(visit(id), /error while mounting volume '.*\/broken\/_data': failed to mount local volume: mount \/nope\/x:.*, flags: 0x1000: no such file or directory/);
    rmSync(bound, { recursive: true });
  });
});
