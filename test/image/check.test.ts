/** The store is damaged in every way that a disk or a hand can do it; the check finds it, and mends or drops it. */
import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseDigest } from '#spec/digest.ts';
import { mediaTypes } from '#spec/oci-image.ts';
import { goArchitecture } from '#spec/platform.ts';
import type { StoreProblem, StoreReport } from '#spec/wire/system.ts';
import type { Images } from '#image/images.ts';
import { blobsOf, buildImage, entryOf, indexOf, layout, sha } from './layouts.ts';
import { archive, importTar, load, needsRoot, save, workshop, type Workshop } from './workshop.ts';

const mine = buildImage({ os: 'linux', architecture: goArchitecture() }, [
  { name: 'srv', type: 'dir', mode: 0o2770, uid: 33, gid: 33 },
  { name: 'srv/a', content: 'content' },
  { name: 'srv/b', type: 'link', linkName: 'srv/a' },
  { name: 'gone/.wh.x' },
  { name: 'null', type: 'char', major: 1, minor: 3 },
]);
const other = buildImage({ os: 'linux', architecture: 's390x' }, [{ name: 'arch', content: 's390x' }]);
const index = indexOf(entryOf(mine), entryOf(other));
const whole = layout('docker.io/library/app:1', mediaTypes.ociIndex, index, [...blobsOf(mine), ...blobsOf(other)]);

async function check(images: Images, options: { repair?: boolean; quick?: boolean } = {}): Promise<{ problems: StoreProblem[]; report: StoreReport }> {
  const problems: StoreProblem[] = [];
  let report: StoreReport | undefined;
  for await (const line of images.check({ repair: options.repair ?? false, quick: options.quick ?? false })) {
    if ('Problem' in line) problems.push(line.Problem);
    if ('Report' in line) report = line.Report;
  }
  assert.ok(report);
  return { problems, report };
}

const brief = ({ problems }: { problems: StoreProblem[] }): [string, string, string | undefined][] => problems.map(({ Kind, Message, Repaired }) => [Kind, Message, Repaired]);

async function loaded(): Promise<Workshop & { blobPath: string; folder0: string }> {
  const shop = workshop();
  await load(shop.images, whole);
  const [folder0] = shop.images.lookup('app:1').layers as [string];
  return { ...shop, folder0, blobPath: join(shop.layout.blobs, sha(mine.layers[0] as Buffer).slice(7)) };
}

test('a whole store has no problems, with everything in it', needsRoot, async () => {
  const { images } = await loaded();
  const base = archive({ name: 'srv', type: 'dir', mode: 0o750, uid: 9 });
  await importTar(images, base, { repo: 'base' });
  // A layer that lacks the entries of its folders takes them from below.
  const upper = archive({ name: 'srv/file', content: 'x' });
  const config = Buffer.from(JSON.stringify({ architecture: goArchitecture(), os: 'linux', rootfs: { type: 'layers', diff_ids: [base, upper].map(sha) } }));
  const table = Buffer.from(JSON.stringify([{ Config: 'c', RepoTags: ['two:1'], Layers: ['0', '1'] }]));
  await load(images, archive({ name: 'c', content: config }, { name: '0', content: base }, { name: '1', content: upper }, { name: 'manifest.json', content: table }));
  const { problems, report } = await check(images);
  assert.deepEqual(problems, []);
  assert.deepEqual(report, { Documents: 7, Blobs: 4, Layers: 3, Images: 3, Problems: 0, Repaired: 0 });
});

test('a damaged tree is found by any difference, and unpacked anew', needsRoot, async () => {
  const { images, folder0, assertStored } = await loaded();
  const damages: (() => void)[] = [
    () => writeFileSync(join(folder0, 'srv/a'), 'CONTENT'),
    () => appendFileSync(join(folder0, 'srv/a'), '!'),
    () => chmodSync(join(folder0, 'srv'), 0o777),
    () => rmSync(join(folder0, 'srv/b')),
    () => writeFileSync(join(folder0, 'more'), ''),
    () => rmSync(join(folder0, 'gone/x')),
  ];
  for (const damage of damages) {
    damage();
    assert.deepEqual(brief(await check(images)), [['layer', 'its files are not what its blob unpacks to', undefined]]);
    assert.deepEqual(brief(await check(images, { repair: true })), [['layer', 'its files are not what its blob unpacks to', 'unpacked anew from its blob']]);
    assert.deepEqual((await check(images)).problems, []);
  }
  rmSync(folder0, { recursive: true });
  assert.deepEqual(brief(await check(images, { quick: true })), [['layer', 'its folder is missing', undefined]]);
  assert.deepEqual(brief(await check(images, { repair: true })), [['layer', 'its folder is missing', 'unpacked anew from its blob']]);
  assert.equal(readFileSync(join(folder0, 'srv/a'), 'utf8'), 'content');
  assertStored({ layers: 1, blobs: 2 });
});

test('a layer under a running container is not replaced', needsRoot, async () => {
  const { images, folder0, users } = await loaded();
  writeFileSync(join(folder0, 'srv/a'), 'CONTENT');
  const user = { id: 'c'.repeat(64), image: images.lookup('app:1').id, running: true };
  users.push(user);
  const { problems, report } = await check(images, { repair: true });
  assert.deepEqual(problems.map(({ Message }) => Message)[0], 'its files are not what its blob unpacks to, and a container runs on it: stop that first');
  assert.equal(report.Repaired, 0, 'nothing is dropped under it either');
  user.running = false;
  assert.equal((await check(images, { repair: true })).report.Repaired, 1);
});

test('a damaged blob is removed, its image goes on, and loading it again brings it back', needsRoot, async () => {
  const { images, blobPath } = await loaded();
  const damages: [() => void, RegExp][] = [
    [() => writeFileSync(blobPath, Buffer.alloc(readFileSync(blobPath).length)), /do not have this digest/],
    [() => truncateSync(blobPath, 10), /it has 10 bytes, its record says/],
  ];
  for (const [damage, message] of damages) {
    damage();
    assert.match((await check(images)).problems[0]?.Message ?? '', message);
    assert.equal((await check(images, { repair: true })).problems[0]?.Repaired, 'removed; pulling or loading its image again brings it back');
    assert.match((await check(images)).problems[0]?.Message ?? '', /it is missing: its image can make containers, but neither be saved nor pushed/);
    assert.ok(images.lookup('app:1'));
    await load(images, whole);
    assert.deepEqual((await check(images)).problems, []);
    assert.ok((await save(images, 'app:1')).length > 0);
  }
});

test('what cannot be mended is dropped and said so; what shares nothing with it stays', needsRoot, async () => {
  const { images, folder0, blobPath, assertStored } = await loaded();
  await importTar(images, archive({ name: 'f', content: 'fine' }), { repo: 'fine' });
  rmSync(folder0, { recursive: true });
  rmSync(blobPath);
  const { problems } = await check(images, { repair: true });
  assert.deepEqual(problems.map(({ Kind }) => Kind), ['blob', 'layer', 'image']);
  assert.match(problems[2]?.Repaired ?? '', /^dropped image [0-9a-f]{12} with its names app:1$/);
  assert.throws(() => images.lookup('app:1'), { code: 'not_found' });
  assert.ok(images.lookup('fine'));
  assert.deepEqual((await check(images)).problems, []);
  assertStored({ layers: 1, blobs: 1 });
});

test('records referring to missing bytes, and bytes that no record names', needsRoot, async () => {
  const { images, layout: { blobs, layers } } = await loaded();
  const packed = join(blobs, sha(other.layers[0] as Buffer).slice(7));
  renameSync(packed, join(blobs, 'e'.repeat(64)));
  mkdirSync(join(layers, 'f'.repeat(64), 'diff'), { recursive: true });
  const found = brief(await check(images));
  assert.deepEqual(found.map(([kind, message]) => [kind, message]), [
    ['stray', 'a blob that no record names'],
    ['manifest', `its blob ${sha(other.layers[0] as Buffer)} is missing`],
    ['stray', 'a layer folder that no record names'],
  ]);
  const { report } = await check(images, { repair: true });
  assert.equal(report.Repaired, 3);
  assert.deepEqual((await check(images)).problems, []);
  assert.deepEqual((await images.inspect('app:1', { manifests: true })).Manifests?.map(({ Available }) => Available), [true, false]);
});

test('content that is just being made is no stray', needsRoot, async () => {
  const { images, layout: { blobs } } = await loaded();
  const digest = parseDigest(sha(Buffer.from('made')));
  writeFileSync(join(blobs, digest.slice(7)), 'made');
  {
    using _lease = images.leases.open([digest]);
    assert.deepEqual((await check(images, { repair: true })).problems, []);
  }
  images.leases.keep('somebody', [digest]);
  assert.deepEqual((await check(images, { repair: true })).problems, []);
  images.leases.release('somebody');
  assert.equal((await check(images, { repair: true })).report.Repaired, 1);
});
