import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mediaTypes } from '#spec/oci-image.ts';
import type { Digest } from '#spec/digest.ts';
import { openDatabase } from '#host/database.ts';
import { goArchitecture } from '#spec/platform.ts';
import { digestOf } from './documents.ts';
import { createImageStore, type ImageStore } from './image-store.ts';
import { imageMigrations } from './schema.ts';
import type { Document, NewMember } from './target-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-targets-'));
after(() => rmSync(folder, { recursive: true }));

const documentOf = (mediaType: string, value: unknown): Document => {
  const bytes = Buffer.from(JSON.stringify(value));
  return { bytes, mediaType, digest: digestOf(bytes) };
};
const own = goArchitecture();
const foreign = own === 'arm64' ? 'amd64' : 'arm64';
const configOf = (architecture: string): Document => documentOf(mediaTypes.ociConfig, { os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: [] } });
const manifestOf = (config: Document): Document =>
  documentOf(mediaTypes.ociManifest, { schemaVersion: 2, config: { mediaType: config.mediaType, digest: config.digest, size: config.bytes.length }, layers: [] });
const imageMember = (config: Document): NewMember => ({ document: manifestOf(config), kind: 'image', config, unpackedSize: 5, chains: [], blobs: [] });
const packedMember = (config: Document): NewMember => ({ ...imageMember(config), unpackedSize: undefined });
const index = documentOf(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [] });
const attestation: NewMember = { document: documentOf(mediaTypes.ociManifest, { attests: true }), kind: 'other', config: undefined, unpackedSize: undefined, chains: [], blobs: [{ digest: digestOf(Buffer.from('x')), size: 1 }] };

function freshStore(name: string): { store: ImageStore; documents(): number; record(members: NewMember[], target?: Document): Digest | undefined } {
  const db = openDatabase(join(folder, name), imageMigrations);
  const store = createImageStore(db, () => 1);
  return {
    store,
    documents: () => Number(db.handle.prepare('SELECT COUNT(*) AS n FROM image_document').get()?.['n']),
    record: (members, target = index) => db.transaction(() => store.targets.record(target, members)),
  };
}

test('a target is listed once, by the platform of this machine; its other platforms come and go with it', () => {
  const { store, record, documents } = freshStore('one');
  const [mine, other] = [configOf(own), configOf(foreign)];
  assert.equal(record([imageMember(other)]), other.digest, 'alone it stands for the target');
  store.setName('docker.io/library/a:1', other.digest, index.digest);
  assert.equal(record([imageMember(mine), attestation]), mine.digest);
  assert.deepEqual(store.list().map(({ id }) => id), [mine.digest]);
  assert.deepEqual(store.names(), [{ name: 'docker.io/library/a:1', image: mine.digest, target: index.digest }], 'the name follows');
  assert.equal(store.targets.members(index.digest).length, 3);
  assert.equal(store.find(index.digest).image.id, mine.digest);
  assert.equal(store.find(manifestOf(other).digest).image.id, other.digest);
  assert.equal(store.find(`a@${index.digest}`).image.id, mine.digest);
  assert.throws(() => store.find(`b@${index.digest}`), { code: 'not_found' });

  store.dropName('docker.io/library/a:1');
  assert.equal(store.targets.members(index.digest).length, 3, 'dangling, it keeps its parts');
  store.drop(mine.digest);
  assert.equal(store.get(other.digest), undefined);
  assert.equal(documents(), 0);
});

test('a platform that a container or another name needs stays', () => {
  const { store, record } = freshStore('two');
  const [mine, other] = [configOf(own), configOf(foreign)];
  record([imageMember(mine), imageMember(other)]);
  store.setName('docker.io/library/a:1', mine.digest, index.digest);
  store.setName('docker.io/library/b:1', other.digest, manifestOf(other).digest);
  store.hold(mine.digest, 'container');
  store.dropName('docker.io/library/a:1');
  store.drop(mine.digest);
  assert.equal(store.get(mine.digest), undefined);
  assert.equal(store.getKept(mine.digest)?.id, mine.digest);
  assert.equal(store.get(other.digest)?.id, other.digest);
  assert.equal(store.release('container'), true);
  assert.equal(store.getKept(mine.digest), undefined);
  store.dropName('docker.io/library/b:1');
  store.drop(other.digest);
  assert.deepEqual(store.list(), []);
});

test('an image shared by two targets stays a platform of the one that is left', () => {
  const { store, record } = freshStore('three');
  const [mine, other] = [configOf(own), configOf(foreign)];
  const second = documentOf(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [], annotations: {} });
  record([imageMember(mine), imageMember(other)]);
  store.setName('docker.io/library/a:1', mine.digest, index.digest);
  record([imageMember(other)], second);
  store.setName('docker.io/library/b:1', other.digest, second.digest);
  assert.deepEqual(store.list().map(({ id }) => id).sort(), [mine.digest, other.digest].sort());
  store.dropName('docker.io/library/b:1');
  store.drop(other.digest);
  assert.deepEqual(store.list().map(({ id }) => id), [mine.digest]);
  assert.equal(store.targets.members(index.digest).filter(({ unpacked }) => unpacked).length, 2);
  assert.deepEqual(store.targets.members(second.digest), []);
});

test('what a name stood for goes when the name moves on; packed platforms are parts without an image', () => {
  const { store, record, documents } = freshStore('four');
  const [mine, other] = [configOf(own), configOf(foreign)];
  record([imageMember(mine), packedMember(other)]);
  store.setName('docker.io/library/a:1', mine.digest, index.digest);
  assert.equal(store.get(other.digest), undefined);
  assert.equal(store.targets.members(index.digest).find(({ config }) => config === other.digest)?.unpacked, false);
  const alone = manifestOf(mine);
  record([imageMember(mine)], alone);
  store.setName('docker.io/library/a:1', mine.digest, alone.digest);
  assert.deepEqual(store.targets.members(index.digest), []);
  assert.equal(documents(), 2);
});

test('images recorded before targets were known stand for their manifests', () => {
  const path = join(folder, 'old');
  const config = configOf(own);
  const manifest = manifestOf(config);
  const db = openDatabase(path, imageMigrations.slice(0, 1));
  const add = db.handle.prepare('INSERT INTO image_document VALUES (?, ?, ?)');
  for (const { digest, mediaType, bytes } of [config, manifest]) add.run(digest, mediaType, bytes);
  db.handle.prepare('INSERT INTO image (id, manifest, size, added_at) VALUES (?, ?, 5, 1)').run(config.digest, manifest.digest);
  db.handle.prepare('INSERT INTO image_name VALUES (?, ?)').run('docker.io/library/a:1', config.digest);
  db.close();
  const again = openDatabase(path, imageMigrations);
  const store = createImageStore(again, () => 1);
  assert.equal(store.find('a:1').target, manifest.digest);
  assert.equal(store.list()[0]?.target, manifest.digest);
  store.dropName('docker.io/library/a:1');
  store.drop(config.digest);
  assert.deepEqual(store.list(), []);
  again.close();
});
