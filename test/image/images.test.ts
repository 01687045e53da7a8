import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { parseDigest } from '#spec/digest.ts';
import { mediaTypes } from '#spec/oci-image.ts';
import { archive, collect, importTar, load, messages, needsRoot, save, workshop, type Member } from './workshop.ts';

const sha = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const blob = (bytes: Uint8Array): Member => ({ name: `blobs/sha256/${sha(bytes).slice(7)}`, content: bytes });
const descriptor = (mediaType: string, bytes: Uint8Array) => ({ mediaType, digest: sha(bytes), size: bytes.length });
const list = { all: true, filters: new Map<string, string[]>(), sharedSize: true, digests: false, manifests: false };

/** Two layers over each other; the second lacks its parent folders' entries. */
const base = archive({ name: 'srv', type: 'dir', mode: 0o2770, uid: 33, gid: 33 }, { name: 'srv/a', content: 'base' }, { name: 'run', type: 'dir', mode: 0o755 });
const upper = archive({ name: 'srv/b', content: 'upper' }, { name: 'srv/.wh.a' });
const configOf = (...layers: Uint8Array[]): Buffer =>
  json({ architecture: 'amd64', os: 'linux', created: '2026-01-02T03:04:05Z', config: { Cmd: ['sh'], Labels: { k: 'v' } }, rootfs: { type: 'layers', diff_ids: layers.map(sha) }, history: layers.map(() => ({ created_by: 'test' })) });

function dockerArchive(names: string[] | null, layers = [base, upper]): Member[] {
  const config = configOf(...layers);
  return [
    { name: 'config.json', content: config },
    ...layers.map((layer, index) => ({ name: `${index}/layer.tar`, content: layer })),
    { name: 'manifest.json', content: json([{ Config: 'config.json', RepoTags: names, Layers: layers.map((_, index) => `${index}/layer.tar`) }]) },
  ];
}

test('an archive loads in every wrapping, gives the same image, and leaves nothing when it goes', needsRoot, async () => {
  const shop = workshop();
  const plain = archive(...dockerArchive(['app:1', 'host:5000/team/app:2']));
  const id = sha(configOf(base, upper));
  for (const tar of [plain, gzipSync(plain), zstdCompressSync(plain), execFileSync('xz', ['-c', '-0'], { input: plain })]) {
    const lines = await load(shop.images, tar);
    assert.deepEqual(lines.map((line) => line.stream), ['Loaded image: app:1\n', 'Loaded image: host:5000/team/app:2\n']);
    assert.equal(shop.images.lookup('app:1').id, id);
  }
  const [top, bottom] = shop.images.lookup('app:1').layers as [string, string];
  assert.equal(readFileSync(join(top, 'srv/b'), 'utf8'), 'upper');
  // The layer does not describe srv: it keeps what the layer below says.
  const srv = statSync(join(top, 'srv'));
  assert.deepEqual([srv.mode & 0o7777, srv.uid, srv.gid], [0o2770, 33, 33]);
  assert.equal(statSync(join(top, 'srv/a')).rdev, 0);
  assert.equal(readFileSync(join(bottom, 'srv/a'), 'utf8'), 'base');
  assert.deepEqual((await load(shop.images, archive(...dockerArchive(null)))).map((line) => line.stream), [`Loaded image ID: ${id}\n`]);
  shop.assertStored({ layers: 2, blobs: 2 });

  const again = await shop.reopen();
  assert.equal(again.lookup('app:1').id, id);
  const inspected = await again.inspect('app:1', {});
  assert.deepEqual(inspected.RepoTags, ['app:1', 'host:5000/team/app:2']);
  assert.equal(inspected.GraphDriver?.Data?.['LowerDir'], bottom);
  assert.equal(inspected.Created, '2026-01-02T03:04:05Z');
  const removed = await again.remove(id.slice(7, 19), { force: true, noPrune: false });
  assert.deepEqual(removed.slice(0, 3), [{ Untagged: 'app:1' }, { Untagged: 'host:5000/team/app:2' }, { Deleted: id }]);
  assert.equal(removed.length, 5);
  shop.assertStored({ layers: 0, blobs: 0 });
});

test('an OCI layout loads: index, platforms, compressed layers, names from annotations', needsRoot, async () => {
  const shop = workshop();
  const config = configOf(base, upper);
  const layers = [gzipSync(base), zstdCompressSync(upper)];
  const manifest = json({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: descriptor(mediaTypes.ociConfig, config),
    layers: [descriptor(mediaTypes.ociLayerGzip, layers[0] as Buffer), descriptor(mediaTypes.ociLayerZstd, layers[1] as Buffer)],
  });
  const absent = { ...descriptor(mediaTypes.ociManifest, json({})), platform: { os: 'linux', architecture: 's390x' } };
  const index = json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [absent, { ...descriptor(mediaTypes.ociManifest, manifest), platform: { os: 'linux', architecture: 'amd64' } }] });
  const tar = archive(
    { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: 'index.json', content: json({ schemaVersion: 2, manifests: [{ ...descriptor(mediaTypes.ociIndex, index), annotations: { 'io.containerd.image.name': 'docker.io/library/oci:1', 'org.opencontainers.image.ref.name': '1' } }] }) },
    blob(index),
    blob(manifest),
    blob(config),
    ...layers.map(blob),
  );
  assert.deepEqual((await load(shop.images, tar)).map((line) => line.stream), ['Loaded image: oci:1\n']);
  const inspected = await shop.images.inspect('oci:1', {});
  assert.equal(inspected.Descriptor?.digest, sha(index));
  assert.equal((await shop.images.inspect('oci:1', { platform: 'linux/amd64' })).Descriptor?.digest, sha(manifest));
  assert.deepEqual(inspected.RootFS?.Layers, [sha(base), sha(upper)]);
  // Saved again, the compressed layers and the manifest are the same bytes.
  const saved = await save(shop.images, 'oci:1');
  const names = execFileSync('tar', ['tf', '-'], { input: saved, encoding: 'utf8' }).split('\n');
  for (const bytes of [index, manifest, config, ...layers]) assert.ok(names.includes(`blobs/sha256/${sha(bytes).slice(7)}`));
});

test('save and load keep who was made from whom, as far as the images themselves agree, and do not count as naming', needsRoot, async () => {
  const shop = workshop();
  const upper = shop.folder('upper');
  writeFileSync(join(upper, 'new'), 'new');
  const parent = parseDigest(await importTar(shop.images, base, { repo: 'base' }));
  const options = { parent, upper, changed: ['/new'], config: {}, createdBy: 'sh', comment: '', author: '', repo: 'child', tag: 'x' };
  const child = await shop.images.commit(options);
  const saved = await save(shop.images, 'base', 'child');
  const tagged = (await shop.images.inspect('child:x', {})).Metadata?.LastTagTime;
  await load(shop.images, saved);
  assert.equal((await shop.images.inspect('child:x', {})).Metadata?.LastTagTime, tagged);
  const twin = workshop();
  await load(twin.images, saved);
  assert.equal((await twin.images.inspect(child, {})).Parent, parent);
  assert.equal((await twin.images.inspect(child, {})).Metadata?.LastTagTime, '0001-01-01T00:00:00Z');
  await assert.rejects(twin.images.remove('base', { force: false, noPrune: false }).then(() => twin.images.remove(parent, { force: false, noPrune: false })), /image has dependent child images/);
});

test('what save writes, load reads: same ids, same bytes, several images and all tags of a repository', needsRoot, async () => {
  const shop = workshop();
  await load(shop.images, archive(...dockerArchive(['app:1', 'app:2'])));
  await importTar(shop.images, base, { repo: 'other', changes: ['CMD ["x"]', 'LABEL a=b'] });
  const other = shop.images.lookup('other').id;
  const saved = await save(shop.images, 'app', 'other', other);
  assert.ok(saved.equals(await save(shop.images, 'app', 'other', other)), 'byte for byte');
  const twin = workshop();
  assert.deepEqual((await load(twin.images, saved)).map((line) => line.stream), ['Loaded image: app:1\n', 'Loaded image: app:2\n', 'Loaded image: other:latest\n']);
  assert.equal(twin.images.lookup('other').id, other);
  twin.assertStored({ layers: 2, blobs: 2 });
  await assert.rejects(save(shop.images, 'nope'), { code: 'not_found', message: 'No such image: nope' });
});

test('names follow Docker: untag, delete, conflict, dangling, prune', needsRoot, async () => {
  const shop = workshop();
  const { images, users } = shop;
  const id = parseDigest(await importTar(images, base, { repo: 'app', tag: 'a' }));
  const short = id.slice(7, 19);
  await images.tag('app:a', { repo: 'app', tag: 'b' });
  await images.tag(short, { repo: 'host:5000/x', tag: undefined });
  await assert.rejects(images.remove(short, { force: false, noPrune: false }), {
    code: 'conflict',
    message: `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  });
  assert.deepEqual(await images.remove('app:a', { force: false, noPrune: false }), [{ Untagged: 'app:a' }]);
  assert.deepEqual(await images.remove('host:5000/x', { force: false, noPrune: false }), [{ Untagged: 'host:5000/x:latest' }]);
  users.push({ id: 'c'.repeat(64), image: id, running: false });
  await assert.rejects(images.remove('app:b', { force: false, noPrune: false }), {
    message: `conflict: unable to remove repository reference "app:b" (must force) - container cccccccccccc is using its referenced image ${short}`,
  });
  await assert.rejects(images.remove(id, { force: false, noPrune: false }), {
    message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
  });
  users[0] = { id: 'c'.repeat(64), image: id, running: true };
  await assert.rejects(images.remove(id, { force: true, noPrune: false }), {
    message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
  });
  assert.deepEqual(await images.remove('app:b', { force: true, noPrune: false }), [{ Untagged: 'app:b' }], 'a running container keeps the image');
  users.length = 0;
  const filters = (dangling: string): Map<string, string[]> => new Map([['dangling', [dangling]]]);
  assert.deepEqual((await images.list({ ...list, filters: filters('true') })).map(({ Id }) => Id), [id]);
  assert.deepEqual(await images.list({ ...list, filters: filters('false') }), []);
  const pruned = await images.prune(new Map());
  assert.deepEqual(pruned.ImagesDeleted?.[0], { Deleted: id });
  assert.ok(pruned.SpaceReclaimed > 0);
  assert.deepEqual((await images.prune(new Map())).ImagesDeleted, null);
  for (const [name, message] of [['nope', 'No such image: nope:latest'], [short, `No such image: ${short}:latest`], [id, `No such image: ${id}`]] as const) {
    assert.throws(() => images.lookup(name), { code: 'not_found', message });
  }
  assert.deepEqual(shop.events.map(({ action }) => action), ['tag', 'import', 'tag', 'tag', 'untag', 'untag', 'untag', 'delete', 'prune', 'prune']);
  shop.assertStored({ layers: 0, blobs: 0 });
});

test('a container keeps the layers of an image that was removed by force, over a restart', needsRoot, async () => {
  const shop = workshop();
  const id = parseDigest(await importTar(shop.images, base, { repo: 'app' }));
  shop.images.hold(id, 'container');
  await shop.images.remove('app', { force: true, noPrune: false });
  assert.deepEqual(await shop.images.list(list), []);
  const again = await shop.reopen();
  assert.equal(readFileSync(join(again.lookup(id).layers[0] as string, 'srv/a'), 'utf8'), 'base');
  shop.assertStored({ layers: 1, blobs: 1 });
  again.release('container');
  await again.prune(new Map());
  shop.assertStored({ layers: 0, blobs: 0 });
});

test('a commit adds one layer of what changed, the same every time', needsRoot, async () => {
  const shop = workshop();
  const parent = parseDigest(await importTar(shop.images, base, { repo: 'app', changes: ['CMD ["sh"]'] }));
  const folder = shop.folder('upper');
  mkdirSync(join(folder, 'srv'));
  writeFileSync(join(folder, 'srv/new'), 'new');
  writeFileSync(join(folder, 'srv/not-listed'), '');
  const options = { parent, upper: folder, changed: ['/srv', '/srv/new'], config: { Cmd: ['new'] }, createdBy: 'sh -c x', comment: 'why', author: 'me', repo: 'app', tag: 'next' };
  const id = await shop.images.commit(options);
  const image = shop.images.lookup('app:next');
  assert.equal(image.id, id);
  assert.equal(readFileSync(join(image.layers[0] as string, 'srv/new'), 'utf8'), 'new');
  assert.throws(() => statSync(join(image.layers[0] as string, 'srv/not-listed')));
  const second = await shop.images.commit({ ...options, tag: 'same' });
  assert.deepEqual(shop.images.lookup(second).layers, image.layers);
  const nothing = await shop.images.commit({ ...options, changed: [], tag: 'empty' });
  assert.equal(shop.images.lookup(nothing).layers.length, 1);
  assert.deepEqual((await shop.images.history('app:next', {})).map(({ CreatedBy, Id }) => [CreatedBy, Id]), [['sh -c x', id], ['', parent]]);
  await assert.rejects(shop.images.remove(parent, { force: true, noPrune: false }), /image has dependent child images/);
  shop.assertStored({ layers: 2, blobs: 2 });
});

test('the same content gives the same image whenever it is committed, with SOURCE_DATE_EPOCH', needsRoot, async () => {
  const shop = workshop();
  const parent = parseDigest(await importTar(shop.images, base, { repo: 'app' }));
  const commits: { id: string; layers: readonly string[] }[] = [];
  for (const [index, order] of [['a', 'b'], ['b', 'a']].entries()) {
    const upper = shop.folder(`upper-${index}`);
    mkdirSync(join(upper, 'srv'));
    for (const name of order) writeFileSync(join(upper, 'srv', name), name);
    // The one container ran now, the other some time ago.
    for (const name of ['srv/a', 'srv/b', 'srv']) utimesSync(join(upper, name), index * 1e9 + 7e8, index * 1e9 + 7e8);
    const options = { parent, upper, changed: ['/srv', '/srv/a', '/srv/b'], config: {}, createdBy: 'sh', comment: '', author: '', repo: undefined, tag: undefined };
    const id = await shop.images.commit({ ...options, epoch: 600_000_000 });
    commits.push({ id, layers: shop.images.lookup(id).layers });
  }
  assert.deepEqual(commits[0], commits[1]);
  assert.equal((await shop.images.inspect(commits[0]?.id ?? '', {})).Created, '1989-01-05T10:40:00Z');
  assert.equal(statSync(join(commits[0]?.layers[0] ?? '', 'srv/a')).mtimeMs, 600_000_000_000);
});

test('hostile and broken archives are refused with one sentence, and nothing is left behind', needsRoot, async () => {
  const shop = workshop();
  const good = dockerArchive(['app:1']);
  const without = (name: string): Member[] => good.filter((member) => member.name !== name);
  const replaced = (name: string, content: Uint8Array | string): Member[] => good.map((member) => (member.name === name ? { ...member, content } : member));
  const layout = (index: unknown, ...blobs: Uint8Array[]): Uint8Array => archive({ name: 'oci-layout', content: '{}' }, { name: 'index.json', content: json(index) }, ...blobs.map(blob));
  const both = json({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: {}, layers: [], manifests: [] });
  const table = (entry: unknown): Member[] => replaced('manifest.json', json([entry]));
  const cases: [string, Uint8Array, RegExp][] = [
    ['not a tar', Buffer.from('x'.repeat(2000)), /not a tar/],
    ['a root file system', base, /neither manifest.json nor index.json/],
    ['empty', archive(), /neither manifest.json nor index.json/],
    ['truncated', archive(...good).subarray(0, 3000), /truncated/],
    ['not JSON', archive(...replaced('manifest.json', '{[')), /manifest.json: not JSON/],
    ['no list', archive(...replaced('manifest.json', 'null')), /expected a list/],
    ['null image', archive(...table(null)), /needs Config and Layers/],
    ['layer names of the wrong type', archive(...table({ Config: 'config.json', Layers: [7] })), /list of file names/],
    ['no config', archive(...without('config.json')), /"config.json" is missing/],
    ['no layer', archive(...without('1/layer.tar')), /"1\/layer.tar" is missing/],
    ['a host file as config', archive(...table({ Config: '../../../../etc/passwd', RepoTags: null, Layers: [] })), /is missing/],
    ['a symlink to a host file', archive(...without('config.json'), { name: 'config.json', type: 'symlink', linkName: '/etc/passwd' }), /is missing/],
    ['a swapped layer', archive(...replaced('1/layer.tar', base)), /invalid diffID for layer 1/],
    ['a layer that is no tar', archive(...replaced('0/layer.tar', 'x'.repeat(1000))), /not a tar/],
    ['a bad name', archive(...table({ Config: 'config.json', RepoTags: ['App:1'], Layers: ['0/layer.tar', '1/layer.tar'] })), /must be lowercase/],
    ['too few layers', archive(...table({ Config: 'config.json', RepoTags: [], Layers: ['0/layer.tar'] })), /layers length mismatch/],
    ['a config of the wrong shape', archive(...replaced('config.json', '{"rootfs":{"type":"layers","diff_ids":{}}}')), /invalid image configuration/],
    ['a digest that is a path', layout({ schemaVersion: 2, manifests: [{ mediaType: mediaTypes.ociManifest, digest: 'sha256:../../x', size: 1 }] }), /invalid digest/],
    ['a document of two kinds', layout({ schemaVersion: 2, manifests: [descriptor(mediaTypes.ociManifest, both)] }, both), /either a manifest or an index/],
    ['a kind that is not an image', layout({ schemaVersion: 2, manifests: [descriptor('application/x-evil', both)] }, both), /which is not an image/],
    ['a blob with a false name', archive({ name: 'oci-layout', content: '{}' }, { name: 'index.json', content: json({ schemaVersion: 2, manifests: [descriptor(mediaTypes.ociManifest, both)] }) }, { ...blob(both), content: 'other' }), /has the digest/],
    ['a huge document', archive({ name: 'manifest.json', content: Buffer.alloc(9 << 20, 32) }), /larger than/],
    ['a device', archive({ name: 'manifest.json', type: 'char', major: 1, minor: 5 }), /which image archives do not have/],
    ['an endless index', layout(...((): [unknown, ...Uint8Array[]] => {
      let inner: Buffer = json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] });
      const all = [inner];
      for (let depth = 0; depth < 7; depth++) all.push((inner = json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [{ ...descriptor(mediaTypes.ociIndex, inner), platform: { os: 'linux', architecture: 'amd64' } }] })));
      return [{ schemaVersion: 2, manifests: [descriptor(mediaTypes.ociIndex, inner)] }, ...all];
    })()), /nested too deeply/],
  ];
  for (const [what, tar, message] of cases) {
    const error: unknown = await load(shop.images, tar).then(() => assert.fail(what), (reason: unknown) => reason);
    assert.match((error as Error).message, message, what);
    assert.equal((error as { code?: string }).code, 'invalid_argument', what);
    shop.assertStored({ layers: 0, blobs: 0 });
  }
  await load(shop.images, archive(...good));
  assert.ok(shop.images.lookup('app:1'));
});

test('import refuses what is no archive and keeps nothing of it', needsRoot, async () => {
  const shop = workshop();
  await assert.rejects(importTar(shop.images, Buffer.from('garbage'.repeat(100)), { repo: 'x' }), /not a tar/);
  await assert.rejects(importTar(shop.images, base, { repo: 'X' }), /must be lowercase/);
  await assert.rejects(importTar(shop.images, base, { changes: ['FROM y'] }), /FROM is not a valid change command/);
  await assert.rejects(
    messages(shop.images.import((async function* () { yield base.subarray(0, 600); throw new Error('gone'); })(), { repo: 'x', tag: '', message: '', changes: [], platform: undefined })),
    /gone/,
  );
  shop.assertStored({ layers: 0, blobs: 0 });
});

test('images made while others are removed keep their layers', needsRoot, async () => {
  const shop = workshop();
  const rounds = Array.from({ length: 12 }, async (_, index) => {
    await load(shop.images, archive(...dockerArchive([`app:${index}`])));
    if (index % 2 === 0) await shop.images.remove(`app:${index}`, { force: false, noPrune: false });
    await shop.images.prune(new Map());
  });
  await Promise.all(rounds);
  assert.equal(readFileSync(join(shop.images.lookup('app:1').layers[0] as string, 'srv/b'), 'utf8'), 'upper');
  assert.equal((await collect(await shop.images.save(['app:11'], { platforms: [] }, new AbortController().signal))).length > 0, true);
  shop.assertStored({ layers: 2, blobs: 2 });
});

test('what a crash left half made is gone after a restart', needsRoot, async () => {
  const shop = workshop();
  await importTar(shop.images, base, { repo: 'app' });
  mkdirSync(join(shop.layout.tmp, 'image-crashed/diff'), { recursive: true });
  mkdirSync(join(shop.layout.layers, 'f'.repeat(64), 'diff'), { recursive: true });
  writeFileSync(join(shop.layout.blobs, 'e'.repeat(64)), 'orphan');
  await shop.reopen();
  shop.assertStored({ layers: 1, blobs: 1 });
});

test('busybox is made from this machine, and is the same image when made again', needsRoot, async () => {
  const shop = workshop();
  const first = await messages(shop.images.bootstrap('busybox'));
  const second = await messages(shop.images.bootstrap('busybox'));
  assert.equal(first.at(-1)?.status, second.at(-1)?.status);
  const [layer] = shop.images.lookup('busybox').layers as [string];
  assert.equal(execFileSync('chroot', [layer, '/bin/sh', '-c', 'echo $((6*7)); stat -c %a /tmp; id -un'], { encoding: 'utf8' }), '42\n1777\nroot\n');
  await assert.rejects(messages(shop.images.bootstrap('windows')), /there is no recipe for "windows"/);
});

test('compressed layers of many megabytes come out whole', needsRoot, async () => {
  const shop = workshop();
  // Compresses badly in places and well in others.
  const content = Buffer.concat(Array.from({ length: 60 }, (_, index) => (index % 3 === 0 ? Buffer.alloc(100_000, index) : randomBytes(100_000))));
  const layer = archive({ name: 'big', content });
  for (const [index, packed] of [gzipSync(layer, { level: 1 }), zstdCompressSync(layer)].entries()) {
    const config = configOf(layer);
    const table = json([{ Config: 'config.json', RepoTags: [`big:${index}`], Layers: ['layer'] }]);
    await load(shop.images, archive({ name: 'config.json', content: config }, { name: 'layer', content: packed }, { name: 'manifest.json', content: table }));
    const [folder] = shop.images.lookup(`big:${index}`).layers as [string];
    assert.ok(readFileSync(join(folder, 'big')).equals(content));
    await shop.images.remove(`big:${index}`, { force: false, noPrune: false });
  }
});

test('an archive from before Docker 1.10 loads: parents by name, layers of nothing', needsRoot, async () => {
  const shop = workshop();
  const [bottom, middle, top] = ['1', '2', '3'].map((digit) => digit.repeat(64)) as [string, string, string];
  const step = (id: string, parent: string | undefined, layer: Uint8Array): Member[] => [
    { name: `${id}/VERSION`, content: '1.0' },
    { name: `${id}/json`, content: json({ id, ...(parent === undefined ? {} : { parent }), created: '2015-03-04T21:38:56Z', author: 'a', container_config: { Cmd: ['/bin/sh', '-c', `step ${id[0]}`] }, config: { Cmd: ['old'] }, architecture: 'amd64', os: 'linux', Size: 0 }) },
    { name: `${id}/layer.tar`, content: layer },
  ];
  const whole = (...more: Member[]): Buffer => archive(...step(bottom, undefined, base), ...step(middle, bottom, Buffer.alloc(0)), ...step(top, middle, upper), ...more, { name: 'repositories', content: json({ 'team/old': { '1': top } }) });
  assert.deepEqual((await load(shop.images, whole())).map((line) => line.stream), ['Loaded image: team/old:1\n']);
  const { layers } = shop.images.lookup('team/old:1');
  assert.equal(layers.length, 3);
  assert.equal(readFileSync(join(layers[0] as string, 'srv/b'), 'utf8'), 'upper');
  assert.deepEqual((await shop.images.history('team/old:1', {})).map(({ CreatedBy }) => CreatedBy), ['/bin/sh -c step 3', '/bin/sh -c step 2', '/bin/sh -c step 1']);
  assert.deepEqual((await shop.images.inspect('team/old:1', {})).Config?.Cmd, ['old']);
  const circle = archive(...step(bottom, top, base), ...step(top, bottom, upper), { name: 'repositories', content: json({ evil: { '1': top } }) });
  await assert.rejects(load(shop.images, circle), { code: 'invalid_argument', message: /too many layers, or is its own parent/ });
  await assert.rejects(load(shop.images, archive({ name: 'repositories', content: json({ evil: { '1': '../../etc' } }) })), /expected the ids of images/);
});
