import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mediaTypes } from '#spec/oci-image.ts';
import { chainIds, digestOf, MAX_DOCUMENT, parseConfig, parseManifest } from './documents.ts';

const digest = digestOf(Buffer.from('x'));
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const descriptor = { mediaType: mediaTypes.ociConfig, digest, size: 1 };
const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: descriptor, layers: [descriptor] };
const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [descriptor] };
const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digest] } };

test('manifests and indexes are read', () => {
  assert.equal(parseManifest(bytes(manifest), mediaTypes.ociManifest).kind, 'manifest');
  assert.equal(parseManifest(bytes(index), mediaTypes.ociIndex).kind, 'index');
  assert.equal(parseManifest(bytes({ ...manifest, mediaType: undefined }), '').kind, 'manifest');
});

test('a document that could be read as both kinds is refused (CVE-2021-41190)', () => {
  const refused: [unknown, string][] = [
    [{ ...manifest, manifests: [] }, mediaTypes.ociManifest],
    [{ ...index, layers: [] }, mediaTypes.ociIndex],
    [index, mediaTypes.ociManifest],
    [manifest, mediaTypes.ociIndex],
    [{ ...index, mediaType: undefined }, mediaTypes.ociManifest],
    [{ ...manifest, mediaType: mediaTypes.ociIndex }, ''],
    [{ schemaVersion: 2 }, ''],
    [{ ...manifest, schemaVersion: 1 }, ''],
  ];
  for (const [value, type] of refused) assert.throws(() => parseManifest(bytes(value), type), { code: 'invalid_argument', message: /^invalid manifest/ }, JSON.stringify(value));
});

test('malformed documents never get through (CVE-2021-21285, CVE-2024-3727)', () => {
  const manifests: unknown[] = [
    null, [], 5, 'x', { ...manifest, config: null }, { ...manifest, layers: {} }, { ...manifest, layers: [null] },
    { ...manifest, config: { ...descriptor, digest: 'sha256:../../../etc/passwd' } },
    { ...manifest, config: { ...descriptor, digest: `sha256:${'A'.repeat(64)}` } },
    { ...manifest, config: { ...descriptor, size: -1 } }, { ...manifest, config: { ...descriptor, size: 1e300 } },
    { ...manifest, layers: Array(500).fill(descriptor) }, { ...manifest, annotations: { a: 1 } },
  ];
  for (const value of manifests) assert.throws(() => parseManifest(bytes(value), ''), { code: 'invalid_argument' }, JSON.stringify(value)?.slice(0, 100));
  const configs: unknown[] = [
    null, {}, { ...config, rootfs: null }, { ...config, rootfs: { type: 'x' } }, { ...config, rootfs: { type: 'layers', diff_ids: ['../x'] } },
    { ...config, config: [] }, { ...config, config: { Env: 'A=b' } }, { ...config, config: { Cmd: [1] } }, { ...config, history: {} },
    { ...config, created: 'yesterday' }, { ...config, config: { Labels: { a: {} } } }, { ...config, os: 7 },
    { ...config, config: { Healthcheck: { Interval: 'x' } } },
  ];
  for (const value of configs) assert.throws(() => parseConfig(bytes(value)), { code: 'invalid_argument' }, JSON.stringify(value)?.slice(0, 100));
  assert.throws(() => parseConfig(Buffer.from('{')), /not JSON/);
  assert.throws(() => parseConfig(Buffer.alloc(MAX_DOCUMENT + 1, 32)), /larger than/);
});

test('null members of a configuration count as absent', () => {
  const parsed = parseConfig(bytes({ ...config, config: { Env: null, Cmd: ['sh'], Labels: null, Volumes: { '/a': {} } }, history: null }));
  assert.deepEqual(parsed.config, { Cmd: ['sh'], Volumes: { '/a': {} } });
});

test('chain ids follow the OCI rule', () => {
  const [a, b] = [digestOf(Buffer.from('a')), digestOf(Buffer.from('b'))];
  assert.deepEqual(chainIds([a, b]), [a, digestOf(Buffer.from(`${a} ${b}`))]);
});
