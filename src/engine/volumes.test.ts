import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { openDatabase, type Database } from '#host/database.ts';
import type { Mounts } from '#host/mount.ts';
import { asContainerId, type ContainerId } from '#spec/ids.ts';
import type { EngineEvent } from '#spec/event.ts';
import { VolumeStore, volumeMigrations } from './volume-store.ts';
import type { VolumeFiller } from './volume-mounts.ts';
import { Volumes } from './volumes.ts';

const noMounts: Mounts = { overlay: () => {}, bind: () => {}, tmpfs: () => {}, unmount: () => false, list: () => [] };
const one = asContainerId('1'.repeat(64));
const two = asContainerId('2'.repeat(64));
const named = (name: string) => ({ name, driver: 'local', driverOpts: {}, labels: {} });

describe('volumes', () => {
  let folder: string;
  let database: Database;
  let store: VolumeStore;
  let volumes: Volumes;
  let events: EngineEvent[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-volumes-'));
    database = openDatabase(join(folder, 'state.db'), volumeMigrations);
    store = new VolumeStore(database);
    events = [];
    volumes = new Volumes({
      store, root: join(folder, 'volumes'), mounts: noMounts, measure: async () => 7, clock: systemClock, emit: (event) => void events.push(event), log: silentLog,
    });
  });
  afterEach(() => {
    database.close();
    rmSync(folder, { recursive: true });
  });
  const names = async (filters: Record<string, string[]> = {}): Promise<string[]> =>
    ((await volumes.list(new Map(Object.entries(filters)))).Volumes ?? []).map(({ Name }) => Name);

  test('create is idempotent and keeps what is there', async () => {
    const first = await volumes.create({ Name: 'data', Labels: { a: 'b' } });
    writeFileSync(join(first.Mountpoint, 'file'), 'x');
    const again = await volumes.create({ Name: 'data', Labels: { other: 'label' } });
    assert.deepEqual(again, first);
    assert.equal(first.Mountpoint, join(folder, 'volumes/data/_data'));
    assert.match(first.CreatedAt ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.deepEqual(events.map(({ action, id }) => `${action} ${id}`), ['create data']);
  });
  test('an anonymous one gets a name and a label', async () => {
    const volume = await volumes.create({});
    assert.match(volume.Name, /^[0-9a-f]{64}$/);
    assert.deepEqual(volume.Labels, { 'com.docker.volume.anonymous': '' });
  });
  test('bad names, drivers and options', async () => {
    const refused = async (body: object, message: string): Promise<void> => assert.rejects(volumes.create(body), { message });
    await refused({ Name: 'x' }, 'create x: volume name is too short, names should be at least two alphanumeric characters');
    await assert.rejects(volumes.create({ Name: '../x' }), /includes invalid characters/);
    await refused({ Name: 'aa', Driver: 'bogus' }, 'create aa: error looking up volume plugin bogus: plugin "bogus" not found');
    await refused({ Name: 'aa', DriverOpts: { foo: 'bar' } }, 'create aa: invalid option: "foo"');
    await refused({ Name: 'aa', DriverOpts: { type: 'tmpfs' } }, 'create aa: missing required option: "device"');
    assert.deepEqual(await names(), []);
  });
  test('a used one is not removed, and says by whom', async () => {
    volumes.ensure(named('data'), one);
    await assert.rejects(volumes.remove('data', { force: true }), { code: 'conflict', message: `remove data: volume is in use - [${one}]` });
    await volumes.release(one, { removeAnonymous: true });
    await volumes.remove('data', { force: false });
    assert.equal(existsSync(join(folder, 'volumes/data')), false);
    await assert.rejects(volumes.remove('data', { force: false }), { code: 'not_found', message: 'get data: no such volume' });
    await volumes.remove('data', { force: true });
  });
  test('a container takes its anonymous volumes with it, unless another uses them', async () => {
    const own = volumes.ensure({ ...named(''), name: undefined }, one).name;
    const shared = volumes.ensure({ ...named(''), name: undefined }, one).name;
    volumes.ensure(named('data'), one);
    volumes.use(shared, two);
    await volumes.release(one, { removeAnonymous: true });
    assert.deepEqual((await names()).sort(), [shared, 'data'].sort());
    assert.equal(existsSync(join(folder, 'volumes', own)), false);
  });
  test('filters', async () => {
    volumes.ensure({ ...named('abc'), labels: { q: 'r' } }, one);
    volumes.ensure(named('bcd'));
    assert.deepEqual(await names({ dangling: ['true'] }), ['bcd']);
    assert.deepEqual(await names({ dangling: ['false'] }), ['abc']);
    assert.deepEqual(await names({ label: ['q'] }), ['abc']);
    assert.deepEqual(await names({ label: ['q=x'] }), []);
    assert.deepEqual(await names({ name: ['bc'] }), ['abc', 'bcd']);
    assert.deepEqual(await names({ name: ['^bc'] }), ['bcd']);
    assert.deepEqual(await names({ driver: ['loc'] }), []);
    await assert.rejects(names({ bogus: ['x'] }), { message: "invalid filter 'bogus'" });
    await assert.rejects(names({ dangling: ['bogus'] }), { message: "invalid filter 'dangling=[bogus]'" });
  });
  test('prune takes unused anonymous ones; all unused ones when asked', async () => {
    const anonymous = (await volumes.create({})).Name;
    volumes.ensure(named('used'), one);
    volumes.ensure(named('kept'));
    assert.deepEqual(await volumes.prune(new Map()), { VolumesDeleted: [anonymous], SpaceReclaimed: 7 });
    assert.deepEqual(await volumes.prune(new Map([['all', ['true']]])), { VolumesDeleted: ['kept'], SpaceReclaimed: 7 });
    assert.deepEqual(await names(), ['used']);
  });
  test('a transaction that fails leaves neither record nor folder nor event', async () => {
    assert.throws(() => database.transaction(() => {
      volumes.ensure(named('data'), one);
      throw new Error('name in use');
    }), /name in use/);
    await Promise.resolve();
    assert.deepEqual([await names(), existsSync(join(folder, 'volumes/data')), events], [[], false, []]);
    database.transaction(() => void volumes.ensure(named('data'), one));
    await Promise.resolve();
    assert.deepEqual([await names(), existsSync(join(folder, 'volumes/data/_data')), events.length], [['data'], true, 1]);
  });
  test('usage', async () => {
    volumes.ensure(named('data'), one);
    assert.deepEqual((await volumes.usage()).map(({ UsageData }) => UsageData), [{ Size: 7, RefCount: 1 }]);
  });

  describe('fills', () => {
    const filler: VolumeFiller['fill'] = async (staging) => {
      mkdirSync(join(staging, 'sub'));
      writeFileSync(join(staging, 'sub/file'), 'image');
      return true;
    };
    const data = (path: string): string => join(folder, 'volumes/data/_data', path);
    const start = async (container: ContainerId, fill = filler, subpath = ''): Promise<void> => {
      await volumes.activate(container, { user: 'run', fillers: new Map([['data', { subpath, fill }]]) });
      await volumes.deactivate(container, 'run');
    };

    test('an empty volume once, one with content never', async () => {
      volumes.ensure(named('data'), one);
      await start(one);
      assert.equal(readFileSync(data('sub/file'), 'utf8'), 'image');
      writeFileSync(data('sub/file'), 'mine');
      await start(one);
      assert.equal(readFileSync(data('sub/file'), 'utf8'), 'mine');
    });
    test('a fill that fails leaves the volume empty, and the next one is whole', async () => {
      volumes.ensure(named('data'), one);
      const failing: VolumeFiller['fill'] = async (staging) => {
        writeFileSync(join(staging, 'half'), 'x');
        throw new Error('disk full');
      };
      await assert.rejects(start(one, failing), /disk full/);
      assert.equal(existsSync(data('half')), false);
      await start(one);
      assert.deepEqual([existsSync(data('half')), existsSync(data('sub/file'))], [false, true]);
    });
    test('a crash while placing is finished at the next start and harms nothing of the user’s', async () => {
      await volumes.create({ Name: 'data' });
      volumes.ensure(named('data'), one);
      const staging = join(folder, 'volumes/data/.filling');
      mkdirSync(staging);
      writeFileSync(join(staging, 'late'), 'image');
      writeFileSync(join(staging, 'taken'), 'image');
      writeFileSync(data('taken'), 'mine');
      store.setState('data', 'staged');
      await start(one);
      assert.deepEqual([readFileSync(data('late'), 'utf8'), readFileSync(data('taken'), 'utf8')], ['image', 'mine']);
      assert.equal(existsSync(staging), false);
    });
    test('a part of a volume is filled when it is an empty folder, and only inside', async () => {
      volumes.ensure(named('data'), one);
      volumes.ensure(named('data'), two);
      await volumes.create({ Name: 'data' });
      mkdirSync(data('part'));
      writeFileSync(data('other'), 'mine');
      await start(one, filler, 'part');
      assert.equal(readFileSync(data('part/sub/file'), 'utf8'), 'image');
      assert.deepEqual([existsSync(data('sub')), existsSync(join(folder, 'volumes/data/.filling-into'))], [false, false]);
      symlinkSync('../../..', data('out'));
      await start(two, filler, 'out');
      assert.equal(existsSync(join(folder, 'sub')), false);
    });
    test('the folder’s mode comes along, unless there is nothing to copy', async () => {
      volumes.ensure(named('data'), one);
      await start(one, async () => false);
      chmodSync(data('.'), 0o700);
      await start(one, async () => false);
      assert.equal(statSync(data('.')).mode & 0o7777, 0o700);
      volumes.ensure(named('data'), two);
      await start(two, async (staging) => (chmodSync(staging, 0o1750), true));
      assert.equal(statSync(data('.')).mode & 0o7777, 0o1750);
    });
  });

  test('events when a container starts and ends, once each', async () => {
    volumes.ensure(named('data'), one);
    await Promise.resolve();
    const mount = { type: 'volume', name: 'data', driver: 'local', source: '', subpath: '', destination: '/d', mode: 'z', rw: true, propagation: '', recursive: true, readonlyDepth: 'if-possible', copyUp: true, createSource: false, tmpfsOptions: [], origin: 'binds' } as const;
    await volumes.activate(one, { user: 'run', fillers: new Map(), mounts: [{ ...mount, tmpfsOptions: [] }] });
    await volumes.deactivate(one, 'run');
    await volumes.deactivate(one, 'run');
    assert.deepEqual(events.slice(1), [
      { type: 'volume', action: 'mount', id: 'data', attributes: { container: one, destination: '/d', driver: 'local', propagation: '', 'read/write': 'true' } },
      { type: 'volume', action: 'unmount', id: 'data', attributes: { container: one, driver: 'local' } },
    ]);
  });

  test('recovery forgets containers that are gone and finishes removals', async () => {
    volumes.ensure(named('data'), one);
    volumes.ensure(named('gone'));
    store.setState('gone', 'removing');
    await volumes.recover({ known: new Set([two]), running: new Set() });
    assert.deepEqual([await names(), store.users('data')], [['data'], []]);
    assert.equal(existsSync(join(folder, 'volumes/gone')), false);
  });
  test('a volume that cannot be removed yet does not keep the engine from starting', async () => {
    volumes.ensure(named('stuck'));
    store.setState('stuck', 'removing');
    const busy: Mounts = { ...noMounts, list: () => [{ target: join(folder, 'volumes/stuck/_data'), type: 'tmpfs', source: 'tmpfs', root: '/' }] };
    const again = new Volumes({ store, root: join(folder, 'volumes'), mounts: busy, measure: async () => 0, clock: systemClock, emit: () => {}, log: silentLog });
    await again.recover({ known: new Set(), running: new Set() });
    assert.equal(store.get('stuck')?.state, 'removing');
  });
});
