/** Images go both ways between Gantry and tools that nobody here wrote: skopeo and umoci. Digests are kept. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mediaTypes } from '#spec/oci-image.ts';
import { goArchitecture } from '#spec/platform.ts';
import { fromText } from '#spec/tar/header.ts';
import { kernelMounts } from '#host/mount.ts';
import { listTree } from './tree.ts';
import { blobsOf, buildAttestation, buildImage, entryOf, indexOf, layout, sha } from './layouts.ts';
import { archive, importTar, load, save, workshop, type Member, type Workshop } from './workshop.ts';

const missing = ['skopeo', 'umoci'].filter((program) => spawnSync(program, ['--version']).error !== undefined);
const needsTools = { skip: missing.length > 0 ? `not installed: ${missing.join(', ')}` : process.getuid?.() === 0 ? false : 'needs root: layers keep owners and devices' };
const run = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 26 });
const skopeo = (...args: string[]): string => run('skopeo', '--insecure-policy', ...args);

const rich: Member[] = [
  { name: 'etc', type: 'dir', mode: 0o755 },
  { name: 'etc/conf', content: 'a=b\n', mode: 0o640, uid: 12, gid: 34, mtime: { seconds: 1_700_000_000, nanos: 0 } },
  { name: 'etc/link', type: 'symlink', linkName: '../etc/conf' },
  { name: 'bin', type: 'dir', mode: 0o755 },
  { name: 'bin/tool', content: '#!/bin/sh\n', mode: 0o4755 },
  { name: 'bin/again', type: 'link', linkName: 'bin/tool' },
  { name: `${'long/'.repeat(40)}name`, content: 'deep' },
  { name: 'tmp', type: 'dir', mode: 0o1777 },
  { name: fromText('ümläut'), content: Buffer.from('utf-8') },
];

/** Saves, unpacks the archive as a layout folder, and returns both. */
async function saveTo(shop: Workshop, ...names: string[]): Promise<{ file: string; folder: string }> {
  const file = join(shop.root, 'saved.tar');
  writeFileSync(file, await save(shop.images, ...names));
  const folder = shop.folder(`layout-${names.join('-').replace(/\W/g, '-')}`);
  run('tar', 'xf', file, '-C', folder);
  return { file, folder };
}

test('skopeo reads both halves of what save writes, and an index with all that is here of it', needsTools, async () => {
  const shop = workshop();
  const [mine, other] = [goArchitecture(), 's390x'].map((architecture) => buildImage({ os: 'linux', architecture }, [{ name: 'arch', content: architecture }]));
  assert.ok(mine && other);
  const attestation = buildAttestation(mine);
  const index = indexOf(entryOf(other), entryOf(mine), attestation.descriptor);
  await load(shop.images, layout('docker.io/library/multi:1', mediaTypes.ociIndex, index, [...blobsOf(mine), ...blobsOf(other), attestation.manifest, ...attestation.blobs]));
  const { file, folder } = await saveTo(shop, 'multi:1');
  assert.equal(skopeo('inspect', '--raw', `oci:${folder}:1`), index.toString());
  const config = (reference: string): unknown => JSON.parse(skopeo('inspect', '--config', reference));
  assert.deepEqual(config(`docker-archive:${file}:docker.io/library/multi:1`), config(`oci:${folder}:1`));
  const copy = join(shop.root, 'copy.tar');
  skopeo('copy', '-q', '--all', `oci:${folder}:1`, `oci-archive:${copy}:docker.io/library/multi:1`);
  const twin = workshop();
  assert.deepEqual((await load(twin.images, readFileSync(copy))).map((line) => line.stream), ['Loaded image: multi:1\n']);
  const inspected = await twin.images.inspect('multi:1', { manifests: true });
  assert.equal(inspected.Descriptor?.digest, sha(index));
  assert.deepEqual(inspected.Manifests?.map(({ Available }) => Available), [true, true, true]);
});

test('archives that skopeo writes are the same image here, in either format', needsTools, async () => {
  const shop = workshop();
  const id = await importTar(shop.images, archive(...rich), { repo: 'app', tag: '1', changes: ['CMD ["a"]'] });
  const { folder } = await saveTo(shop, 'app:1');
  for (const format of ['oci-archive', 'docker-archive']) {
    const file = join(shop.root, `${format}.tar`);
    skopeo('copy', '-q', `oci:${folder}:1`, `${format}:${file}:docker.io/library/app:1`);
    const twin = workshop();
    assert.deepEqual((await load(twin.images, readFileSync(file))).map((line) => line.stream), ['Loaded image: app:1\n']);
    if (format === 'docker-archive') assert.equal(twin.images.lookup('app:1').id, id);
    assert.deepEqual((await twin.images.inspect('app:1', {})).RootFS, (await shop.images.inspect('app:1', {})).RootFS);
  }
});

test('umoci unpacks what save writes to the tree that containers get here', needsTools, async () => {
  const shop = workshop();
  await importTar(shop.images, archive(...rich), { repo: 'app', tag: '1' });
  const { folder } = await saveTo(shop, 'app:1');
  const bundle = join(shop.root, 'bundle');
  run('umoci', 'unpack', '--image', `${folder}:1`, bundle);
  const [layer] = shop.images.lookup('app:1').layers;
  assert.deepEqual(listTree(layer as string), listTree(join(bundle, 'rootfs')));
});

test('layers that umoci writes are read as umoci reads them: changes, whiteouts, opaque folders', needsTools, async () => {
  const shop = workshop();
  await importTar(shop.images, archive(...rich, { name: 'old', type: 'dir', mode: 0o755 }, { name: 'old/gone', content: '1' }, { name: 'old/stays', content: '2' }), { repo: 'base', tag: '1' });
  const { folder } = await saveTo(shop, 'base:1');
  const bundle = join(shop.root, 'bundle');
  run('umoci', 'unpack', '--image', `${folder}:1`, bundle);
  const rootfs = join(bundle, 'rootfs');
  run('sh', '-c', `cd "$1" && rm old/gone etc/conf && rm -r bin && mkdir bin && echo new > bin/new && chown 5:6 tmp && mkfifo pipe && mknod null c 1 3 && setfattr -n user.x -v y old/stays 2>/dev/null; true`, 'sh', rootfs);
  run('umoci', 'repack', '--image', `${folder}:2`, bundle);
  run('umoci', 'config', '--image', `${folder}:2`, '--config.cmd', 'tool', '--author', 'somebody');
  const check = join(shop.root, 'check');
  run('umoci', 'unpack', '--image', `${folder}:2`, check);

  // Only the new one: a layout folder may name several.
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as { manifests: { digest: string; annotations?: Record<string, string> }[] };
  const [entry] = index.manifests.filter(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === '2');
  assert.ok(entry);
  entry.annotations = { 'io.containerd.image.name': 'docker.io/library/changed:2', 'org.opencontainers.image.ref.name': '2' };
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ ...index, manifests: [entry] }));
  const tar = execFileSync('tar', ['cf', '-', '-C', folder, '--exclude=./manifest.json', '.'], { maxBuffer: 1 << 26 });
  assert.deepEqual((await load(shop.images, tar)).map((line) => line.stream), ['Loaded image: changed:2\n']);
  assert.equal((await shop.images.inspect('changed:2', {})).Descriptor?.digest, entry.digest);
  const { layers } = shop.images.lookup('changed:2');
  const [upper, work, target] = [shop.folder('upper'), shop.folder('work'), shop.folder('merged')];
  mkdirSync(target, { recursive: true });
  kernelMounts.overlay({ lower: layers, upper, work, target });
  try {
    assert.deepEqual(listTree(target), listTree(join(check, 'rootfs')));
  } finally {
    kernelMounts.unmount(target);
  }
  const again = await saveTo(shop, 'changed:2');
  assert.equal(sha(Buffer.from(skopeo('inspect', '--raw', `oci:${again.folder}:2`))), entry.digest);
});
