import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EngineError, notFound } from '#base/errors.ts';
import type { Mount } from '#spec/wire/container.ts';
import { draftMounts, inspectMounts, planMounts, type MountWishes } from './mounts.ts';
import type { PlannedMount } from './oci/input.ts';
import { checkVolumeName } from './volume-names.ts';
import type { VolumeRequest } from './volumes.ts';

function plan(hostConfig: MountWishes['hostConfig'], volumes: string[] = [], others: Record<string, PlannedMount[]> = {}, shallowReadOnly = false) {
  const made: VolumeRequest[] = [];
  const shared: string[] = [];
  const drafts = draftMounts({ hostConfig, volumes, dataRoot: '/var/lib/gantry', shallowReadOnly }, (name) => {
    const found = others[name];
    if (found === undefined) throw notFound(`No such container: ${name}`);
    return found;
  });
  const mounts = planMounts(drafts, {
    volume(request) {
      if (request.name !== undefined) checkVolumeName(request.name);
      made.push(request);
      const name = request.name ?? `anonymous${made.length}`;
      return { name, driver: request.driver, dataPath: `/volumes/${name}/_data` };
    },
    shareVolume: (name) => void shared.push(name),
    image: (reference) => `sha256:${reference}`,
  });
  return { mounts, made, shared };
}

const bind = (spec: string): PlannedMount => {
  const [mount] = plan({ Binds: [spec] }).mounts;
  assert.ok(mount);
  return mount;
};

describe('binds', () => {
  test('a host path', () => {
    const { type, source, destination, rw, propagation, createSource, copyUp } = bind('/x/../z:/y/../q/');
    assert.deepEqual({ type, source, destination, rw, propagation, createSource, copyUp }, { type: 'bind', source: '/z', destination: '/q', rw: true, propagation: 'rprivate', createSource: true, copyUp: false });
  });
  test('modes', () => {
    assert.deepEqual([bind('/x:/y:ro,rslave,z')].map(({ rw, propagation, mode }) => [rw, propagation, mode]), [[false, 'rslave', 'ro,rslave,z']]);
    assert.equal(bind('/x:/y:consistent').rw, true);
  });
  test('a named volume, filled from the image unless told otherwise', () => {
    const { type, name, driver, source, mode, copyUp } = bind('data:/y');
    assert.deepEqual({ type, name, driver, source, mode, copyUp }, { type: 'volume', name: 'data', driver: 'local', source: '/volumes/data/_data', mode: 'z', copyUp: true });
    assert.deepEqual([bind('data:/y:nocopy,ro')].map((each) => [each.copyUp, each.rw]), [[false, false]]);
  });
  test('what holds the engine or lies in it is bound as a slave', () => {
    for (const source of ['/', '/var', '/var/lib/gantry', '/var/lib/gantry/volumes']) assert.equal(bind(`${source}:/y`).propagation, 'rslave');
    assert.equal(bind('/var/lib/gantry:/y:rshared').propagation, 'rshared');
    assert.equal(bind('/var/lib/gantry-two:/y').propagation, 'rprivate');
    assert.throws(() => bind('/var/lib/gantry:/y:private'), /must use either propagation mode "rslave" or "rshared"/);
  });
  test('read-only for an old client means the top only', () => {
    assert.equal(plan({ Binds: ['/x:/y:ro'] }, [], {}, true).mounts[0]?.readonlyDepth, 'top-only');
    assert.equal(bind('/x:/y:ro').readonlyDepth, 'if-possible');
  });
  test('a destination alone is an anonymous volume', () => assert.equal(plan({ Binds: ['/y'] }).made[0]?.name, undefined));

  const refusals: [string, string][] = [
    ['', "invalid volume specification: ''"],
    [':', "invalid volume specification: ':'"],
    ['/x:', "invalid volume specification: '/x:'"],
    ['/x:/y:ro:z', "invalid volume specification: '/x:/y:ro:z'"],
    ['x:y', `invalid volume specification: 'x:y': invalid mount config for type "volume": invalid mount path: 'y' mount path must be absolute`],
    ['/x:y', `invalid volume specification: '/x:y': invalid mount config for type "bind": invalid mount path: 'y' mount path must be absolute`],
    ['/x:/', `invalid volume specification: '/x:/': invalid mount config for type "bind": invalid specification: destination can't be '/'`],
    ['/x:/y:bogus', 'invalid mode: bogus'],
    ['/x:/y:ro,rw', 'invalid mode: ro,rw'],
    ['/x:/y:U', 'invalid mode: U'],
    ['vv:/y:rslave', `invalid volume specification: 'vv:/y:rslave': invalid mount config for type "volume": field BindOptions must not be specified`],
    ['/tmp:/y:nocopy', `invalid volume specification: '/tmp:/y:nocopy': invalid mount config for type "bind": field VolumeOptions must not be specified`],
    ['a:/y', 'create a: volume name is too short, names should be at least two alphanumeric characters'],
    [
      '../x:/y',
      'create ../x: "../x" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
    ],
  ];
  for (const [spec, message] of refusals) test(`refused: ${spec}`, () => assert.throws(() => bind(spec), { code: 'invalid_argument', message }));
});

describe('mounts', () => {
  const mount = (wish: Mount): PlannedMount => {
    const [planned] = plan({ Mounts: [wish] }).mounts;
    assert.ok(planned);
    return planned;
  };
  test('a volume with labels, options and a subpath', () => {
    const { made, mounts } = plan({
      Mounts: [{ Type: 'volume', Source: 'data', Target: '/y', ReadOnly: true, VolumeOptions: { Labels: { a: 'b' }, Subpath: 'x/y', NoCopy: true, DriverConfig: { Options: { type: 'tmpfs' } } } }],
    });
    assert.deepEqual(made, [{ name: 'data', driver: 'local', driverOpts: { type: 'tmpfs' }, labels: { a: 'b' } }]);
    assert.deepEqual(mounts.map(({ rw, subpath, copyUp }) => [rw, subpath, copyUp]), [[false, 'x/y', false]]);
  });
  test('a tmpfs', () => {
    assert.deepEqual(mount({ Type: 'tmpfs', Target: '/y', TmpfsOptions: { SizeBytes: 1024, Mode: 0o1770, Options: [['exec'], ['uid', '7']] } }).tmpfsOptions, ['size=1024', 'mode=1770', 'exec', 'uid=7']);
  });
  test('how deep read-only goes', () => {
    const depth = (options: Mount['BindOptions']) => mount({ Type: 'bind', Source: '/', Target: '/y', ReadOnly: true, BindOptions: options }).readonlyDepth;
    assert.deepEqual([depth(undefined), depth({ ReadOnlyNonRecursive: true }), depth({ ReadOnlyForceRecursive: true })], ['if-possible', 'top-only', 'force']);
  });
  const refusals: [Mount, string][] = [
    [{ Type: 'bind', Source: '/nope', Target: '/y' }, 'invalid mount config for type "bind": bind source path does not exist: /nope'],
    [{ Type: 'bind', Source: 'nope', Target: '/y' }, `invalid mount config for type "bind": invalid mount path: 'nope' mount path must be absolute`],
    [{ Type: 'bind', Target: '/y' }, 'invalid mount config for type "bind": field Source must not be empty'],
    [{ Type: 'bind', Source: '/' }, 'invalid mount config for type "bind": field Target must not be empty'],
    [{ Type: 'bind', Source: '/', Target: '/' }, `invalid mount config for type "bind": invalid specification: destination can't be '/'`],
    [{ Type: 'bogus', Target: '/y' }, 'invalid mount config for type "bogus": mount type unknown'],
    [{ Type: 'bind', Source: '/', Target: '/y', VolumeOptions: {} }, 'VolumeOptions must not be specified on mount type "bind"'],
    [{ Type: 'bind', Source: '/', Target: '/y', BindOptions: { Propagation: 'bogus' } }, 'invalid mount config for type "bind": invalid propagation mode: bogus'],
    [{ Type: 'volume', Source: 'vv', Target: '/y', VolumeOptions: { Subpath: '../x' } }, 'invalid mount config for type "volume": subpath must be a relative path within the volume'],
    [{ Type: 'volume', Target: '/y', VolumeOptions: { Subpath: 'x' } }, 'invalid mount config for type "volume": must not set Subpath when using anonymous volumes'],
    [{ Type: 'tmpfs', Source: 'v', Target: '/y' }, 'invalid mount config for type "tmpfs": field Source must not be specified'],
  ];
  for (const [wish, message] of refusals) test(message, () => assert.throws(() => mount(wish), { code: 'invalid_argument', message }));
  test('an image is mounted read-only, by its id', () => {
    const { type, name, source, rw, subpath } = mount({ Type: 'image', Source: 'x', Target: '/y', ImageOptions: { Subpath: 'etc' } });
    assert.deepEqual({ type, name, source, rw, subpath }, { type: 'image', name: 'x', source: 'sha256:x', rw: false, subpath: 'etc' });
    assert.throws(() => mount({ Type: 'image', Target: '/y' }), { message: 'invalid mount config for type "image": field Source must not be empty' });
    assert.throws(() => mount({ Type: 'cluster', Target: '/y' }), { message: 'invalid mount config for type "cluster": mount type unknown' });
  });
});

describe('all together', () => {
  const duplicate = { code: 'invalid_argument', message: 'Duplicate mount point: /y' };
  test('two wishes for one place', () => {
    assert.throws(() => plan({ Binds: ['/x:/y', '/z:/y/'] }), duplicate);
    assert.throws(() => plan({ Binds: ['/x:/y'], Tmpfs: { '/y': '' } }), duplicate);
    assert.throws(() => plan({ Binds: ['/x:/y'], Mounts: [{ Type: 'bind', Source: '/', Target: '/y' }] }), duplicate);
  });
  test('nothing is made when anything is refused', () => {
    const hostConfig = { Binds: ['data:/y', 'bad'], Mounts: [{ Type: 'bogus', Target: '/z' }] };
    assert.throws(() => draftMounts({ hostConfig, volumes: [], dataRoot: '/data', shallowReadOnly: false }, () => []), EngineError);
  });
  test('an image’s volume yields to any wish', () => {
    const { mounts, made } = plan({ Binds: ['/x:/a'], Tmpfs: { '/b': '' } }, ['/a', '/b/', '/c', 'rel/../d']);
    assert.deepEqual(mounts.map(({ destination, type }) => `${destination} ${type}`).sort(), ['/a bind', '/b tmpfs', '/c volume', '/d volume']);
    assert.equal(made.length, 2);
  });
  test('another container’s mounts, read-only, and nearer ones over them', () => {
    const other = plan({ Binds: ['data:/y', '/host:/z:ro', '/q:/own'], Tmpfs: { '/t': '' } }).mounts;
    const { mounts, shared, made } = plan({ VolumesFrom: ['other:ro'], Binds: ['/mine:/own'] }, ['/y'], { other });
    assert.deepEqual(mounts.map(({ destination, source, rw, origin }) => `${destination} ${source} ${rw ? 'rw' : 'ro'} ${origin}`).sort(), [
      '/own /mine rw binds', '/y /volumes/data/_data ro volumes-from', '/z /host ro volumes-from',
    ]);
    assert.deepEqual([shared, made], [['data'], []]);
    assert.throws(() => plan({ VolumesFrom: ['nope'] }), { code: 'invalid_argument', message: 'No such container: nope' });
    assert.throws(() => plan({ VolumesFrom: ['other:bogus'] }, [], { other }), { message: 'invalid mode: bogus' });
  });
  test('parents before children', () => {
    assert.deepEqual(plan({ Binds: ['/1:/a/b/c', '/2:/a', '/3:/a/b'] }).mounts.map(({ destination }) => destination), ['/a', '/a/b', '/a/b/c']);
  });
  test('tmpfs options', () => {
    assert.deepEqual(plan({ Tmpfs: { '/t': 'rw,noexec,size=10m,mode=1770,uid=3' } }).mounts[0]?.tmpfsOptions, ['rw', 'noexec', 'size=10m', 'mode=1770', 'uid=3']);
    assert.throws(() => plan({ Tmpfs: { '/t': 'foo=2' } }), { message: 'invalid tmpfs option "foo"' });
    for (const bad of ['bogus', 'size=x', 'mode=9', 'size']) assert.throws(() => plan({ Tmpfs: { '/t': bad } }), { message: `invalid tmpfs option "${bad}"` });
  });
  test('what inspect shows', () => {
    const { mounts } = plan({ Binds: ['/x:/b:ro', 'data:/v'], Tmpfs: { '/hidden': '' }, Mounts: [{ Type: 'tmpfs', Target: '/shown' }] });
    assert.deepEqual(inspectMounts(mounts), [
      { Type: 'bind', Source: '/x', Destination: '/b', Mode: 'ro', RW: false, Propagation: 'rprivate' },
      { Type: 'volume', Name: 'data', Source: '/volumes/data/_data', Destination: '/v', Driver: 'local', Mode: 'z', RW: true, Propagation: '' },
      { Type: 'tmpfs', Source: '', Destination: '/shown', Mode: '', RW: true, Propagation: '' },
    ]);
  });
});
