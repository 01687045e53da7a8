/** Images of several platforms, with what belongs to them: kept, shown, given back and removed as one. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mediaTypes } from '#spec/oci-image.ts';
import { parseDigest } from '#spec/digest.ts';
import { goArchitecture } from '#spec/platform.ts';
import { blob, blobsOf, buildAttestation, buildImage, descriptor, entryOf, indexOf, json, layout, sha, type BuiltImage } from './layouts.ts';
import { archive, collect, load, messages, needsRoot, save, stream, workshop } from './workshop.ts';

const own = goArchitecture();
const others = ['amd64', 'arm64'].filter((name) => name !== own);
const foreign = others[0] as string;
const mine = buildImage({ os: 'linux', architecture: own }, [{ name: 'arch', content: own }], { of: 'mine' });
const theirs = buildImage({ os: 'linux', architecture: foreign }, [{ name: 'arch', content: foreign }]);
const absent = buildImage({ os: 'linux', architecture: 's390x' }, [{ name: 'arch', content: 's390x' }]);
const attestation = buildAttestation(mine);
const index = indexOf(entryOf(theirs), entryOf(absent), entryOf(mine), attestation.descriptor);
const whole = layout('docker.io/library/multi:1', mediaTypes.ociIndex, index, [...blobsOf(mine), ...blobsOf(theirs), attestation.manifest, ...attestation.blobs]);
const idOf = (image: BuiltImage): string => sha(image.config);
const list = { all: false, filters: new Map<string, string[]>(), sharedSize: false, digests: false };
const listing = (tar: Uint8Array): string[] => execFileSync('tar', ['tf', '-'], { input: tar, encoding: 'utf8' }).split('\n');
const has = (tar: Uint8Array, bytes: Uint8Array): boolean => listing(tar).includes(`blobs/sha256/${sha(bytes).slice(7)}`);

test('an index is one image, shown by the platform of this machine, with all its parts', needsRoot, async () => {
  const { images, assertStored } = workshop();
  assert.deepEqual((await load(images, whole)).map((line) => line.stream), ['Loaded image: multi:1\n']);
  assertStored({ layers: 1, blobs: 4 });
  const [image, ...more] = await images.list({ ...list, manifests: true });
  assert.deepEqual(more, []);
  assert.equal(image?.Id, idOf(mine));
  assert.equal(image.Descriptor?.digest, sha(index));
  assert.deepEqual(image.Manifests?.map(({ ID, Kind, Available }) => [ID, Kind, Available]), [
    [sha(theirs.manifest), 'image', true],
    [sha(absent.manifest), 'image', false],
    [sha(mine.manifest), 'image', true],
    [sha(attestation.manifest), 'attestation', true],
  ]);
  assert.deepEqual(image.Manifests?.map(({ ImageData }) => ImageData?.Platform.architecture), [foreign, 's390x', own, undefined]);
  assert.equal(image.Manifests?.[3]?.AttestationData?.For, sha(mine.manifest));
  assert.deepEqual(image.Manifests?.map(({ ImageData }) => ImageData?.Size.Unpacked), [0, 0, own.length, undefined]);
  assert.equal(image.Manifests?.[0]?.Size.Content, blobsOf(theirs).reduce((sum, { length }) => sum + length, 0));
  assert.equal((await images.inspect('multi:1', { manifests: true })).Manifests?.length, 4);
});

test('another platform is unpacked when it is asked for, and only then', needsRoot, async () => {
  const { images, assertStored, reopen } = workshop();
  await load(images, whole);
  assert.throws(() => images.lookup('multi:1', 'linux/s390x'), {
    code: 'not_found',
    message: 'image with reference multi:1 was found but does not provide the specified platform (linux/s390x)',
  });
  await images.prepare('multi:1', `linux/${foreign}`);
  const found = images.lookup('multi:1', `linux/${foreign}`);
  assert.equal(found.id, idOf(theirs));
  assert.equal(readFileSync(join(found.layers[0] as string, 'arch'), 'utf8'), foreign);
  assert.equal(images.lookup('multi:1').id, idOf(mine));
  assertStored({ layers: 2, blobs: 4 });
  assert.equal((await images.inspect('multi:1', { platform: `{"os":"linux","architecture":"${foreign}"}` })).Descriptor?.digest, sha(theirs.manifest));
  assert.equal((await images.history('multi:1', { platform: `linux/${foreign}` }))[0]?.CreatedBy, `for ${foreign}`);
  assert.equal((await images.list(list)).length, 1);
  const again = await reopen();
  assert.equal(again.lookup('multi:1', `linux/${foreign}`).id, idOf(theirs));
});

test('what is saved has the index byte for byte, and loads elsewhere as the same', needsRoot, async () => {
  const shop = workshop();
  await load(shop.images, whole);
  await shop.images.tag('multi:1', { repo: 'again', tag: '2' });
  const saved = await save(shop.images, 'multi:1', 'again:2');
  for (const bytes of [index, attestation.manifest, ...attestation.blobs, ...blobsOf(mine), ...blobsOf(theirs)]) assert.ok(has(saved, bytes));
  const twin = workshop();
  assert.deepEqual((await load(twin.images, saved)).map((line) => line.stream), ['Loaded image: again:2\n', 'Loaded image: multi:1\n']);
  assert.equal((await twin.images.inspect('again:2', {})).Descriptor?.digest, sha(index));
  assert.ok((await save(twin.images, 'multi:1', 'again:2')).equals(saved), 'byte for byte');

  const only = async (...platforms: string[]): Promise<Buffer> => collect(await shop.images.save(['multi:1'], { platforms }, new AbortController().signal));
  const single = await only(`linux/${foreign}`);
  assert.ok(has(single, theirs.manifest) && !has(single, index) && !has(single, mine.manifest));
  const third = workshop();
  await load(third.images, single);
  assert.equal(third.images.lookup('multi:1').id, idOf(theirs));
  const both = await only(`linux/${foreign}`, `linux/${own}`);
  assert.ok(has(both, index) && has(both, theirs.manifest) && has(both, mine.manifest) && !has(both, attestation.manifest));
  await assert.rejects(only('linux/s390x'), { code: 'not_found', message: 'image with reference multi:1 was found but does not provide the specified platform (linux/s390x)' });
});

test('load takes single platforms and completes what is there', needsRoot, async () => {
  const { images, assertStored } = workshop();
  const loadOnly = async (...platforms: string[]): Promise<void> => void (await messages(images.load(stream(whole), { quiet: true, platforms })));
  await loadOnly(`linux/${foreign}`);
  assert.equal(images.lookup('multi:1').id, idOf(theirs));
  assertStored({ layers: 1, blobs: 1 });
  await loadOnly(`linux/${own}`);
  assert.equal(images.lookup('multi:1').id, idOf(mine), 'the name follows to what suits this machine');
  assert.deepEqual((await images.list(list)).map(({ Id }) => Id), [idOf(mine)]);
  await assert.rejects(loadOnly('linux/s390x'), { code: 'not_found', message: 'the image archive has no image for linux/s390x' });
});

test('removal: by digest, by platform, all of it', needsRoot, async () => {
  const { images, assertStored, users, events } = workshop();
  const remove = (name: string, platforms: string[] = [], force = false) => images.remove(name, { force, noPrune: false, platforms });
  await load(images, whole);
  await images.prepare('multi:1', `linux/${foreign}`);
  users.push({ id: 'c'.repeat(64), image: parseDigest(idOf(theirs)), running: true });
  await assert.rejects(remove('multi:1', [`linux/${foreign}`], true), { code: 'conflict', message: /container cccccccccccc is using its platform/ });
  await assert.rejects(remove('multi:1'), { code: 'conflict', message: /container cccccccccccc is using its referenced image/ });
  users.length = 0;
  await assert.rejects(remove('multi:1', ['linux/s390x']), { code: 'not_found' });
  assert.deepEqual((await remove('multi:1', [`linux/${own}`]))[0], { Deleted: sha(mine.manifest) });
  assert.equal(images.lookup('multi:1').id, idOf(theirs), 'what is left stands for the name');
  assertStored({ layers: 1, blobs: 3 });
  events.length = 0;
  assert.deepEqual((await remove(`multi@${sha(index)}`)).slice(0, 2), [{ Untagged: 'multi:1' }, { Deleted: idOf(theirs) }]);
  assert.deepEqual(events.map(({ action }) => action), ['untag', 'delete']);
  assertStored({ layers: 0, blobs: 0 });
});

test('removing the last unpacked platform unpacks another', needsRoot, async () => {
  const { images, assertStored } = workshop();
  await load(images, whole);
  await images.remove('multi:1', { force: false, noPrune: false, platforms: [`linux/${own}`] });
  assert.equal(images.lookup('multi:1').id, idOf(theirs));
  assertStored({ layers: 1, blobs: 3 });
  assert.equal((await images.prune(new Map([['dangling', ['false']]]))).ImagesDeleted?.length, 3);
  assertStored({ layers: 0, blobs: 0 });
});

test('artifacts and subjects come along, and alone they are no image', needsRoot, async () => {
  const { images, assertStored } = workshop();
  const note = Buffer.from('a note');
  const artifact = json({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: 'application/vnd.example.note',
    config: descriptor('application/vnd.oci.empty.v1+json', Buffer.from('{}')),
    layers: [descriptor('text/plain', note)],
    subject: descriptor(mediaTypes.ociManifest, mine.manifest),
  });
  const described = { ...descriptor(mediaTypes.ociManifest, artifact), artifactType: 'application/vnd.example.note' };
  const both = indexOf(entryOf(mine), described);
  await load(images, layout('docker.io/library/noted:1', mediaTypes.ociIndex, both, [...blobsOf(mine), artifact, Buffer.from('{}'), note]));
  assertStored({ layers: 1, blobs: 3 });
  assert.deepEqual((await images.inspect('noted:1', { manifests: true })).Manifests?.map(({ Kind, Available }) => [Kind, Available]), [['image', true], ['unknown', true]]);
  const saved = await save(images, 'noted:1');
  for (const bytes of [both, artifact, note]) assert.ok(has(saved, bytes));
  const alone = archive({ name: 'oci-layout', content: '{}' }, { name: 'index.json', content: json({ schemaVersion: 2, manifests: [described] }) }, blob(artifact), blob(Buffer.from('{}')), blob(note));
  await assert.rejects(load(images, alone), { code: 'invalid_argument', message: 'the image archive holds no image: only manifests of other things' });
});

test('a name may move between images with and without an index; what it stood for goes with the image', needsRoot, async () => {
  const { images, assertStored } = workshop();
  await load(images, whole);
  await load(images, layout('docker.io/library/multi:1', mediaTypes.ociManifest, absent.manifest, blobsOf(absent)));
  assert.deepEqual(new Map((await images.list(list)).map(({ Id, RepoTags }) => [Id, RepoTags])), new Map([[idOf(mine), []], [idOf(absent), ['multi:1']]]));
  const report = await images.prune(new Map());
  assert.equal(report.ImagesDeleted?.[0]?.Deleted, idOf(mine));
  assertStored({ layers: 1, blobs: 1 });
});
