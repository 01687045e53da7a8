/** Archives and stores as attackers wrote them, by the names under which they became known; beside each a harmless twin. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { mediaTypes } from '#spec/oci-image.ts';
import { goArchitecture } from '#spec/platform.ts';
import { ping, startEngine, type TestEngine } from '../rig.ts';
import { blob, blobsOf, buildImage, descriptor, entryOf, indexOf, json, layout, sha } from './layouts.ts';
import { archive, load, needsRoot, workshop, type Member } from './workshop.ts';

/** A docker-archive of one image over these layers (compressed or not). */
function dockerArchive(name: string, layers: readonly { packed: Buffer; diffId: string }[], extra: Record<string, unknown> = {}): Buffer {
  const config = json({ architecture: goArchitecture(), os: 'linux', rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) }, ...extra });
  return archive(
    { name: 'config.json', content: config },
    ...layers.map(({ packed }, index) => ({ name: `${index}.tar`, content: packed })),
    { name: 'manifest.json', content: json([{ Config: 'config.json', RepoTags: [name], Layers: layers.map((_, index) => `${index}.tar`) }]) },
  );
}
const plain = (...members: Member[]): { packed: Buffer; diffId: string } => {
  const packed = archive(...members);
  return { packed, diffId: sha(packed) };
};

test('CVE-2026-17106, CVE-2025-47290: a layer that links out and then writes through its link', needsRoot, async () => {
  const shop = workshop();
  const outside = shop.folder('outside');
  const attacks: Member[][] = [
    [{ name: 'door', type: 'symlink', linkName: outside }, { name: 'door/planted', content: 'evil' }],
    [{ name: 'a', type: 'dir', mode: 0o755 }, { name: 'a/b', type: 'symlink', linkName: '../..' }, { name: 'a/b/../../planted', content: 'evil' }],
    [{ name: 'a', type: 'dir', mode: 0o755 }, { name: 'a', type: 'symlink', linkName: outside }, { name: 'a/planted', content: 'evil' }],
    [{ name: 'h', type: 'symlink', linkName: join(outside, 'planted') }, { name: 'h', content: 'evil' }],
    [{ name: 'one', type: 'symlink', linkName: 'two' }, { name: 'two', type: 'symlink', linkName: outside }, { name: 'one/planted', content: 'evil' }],
  ];
  for (const [index, members] of attacks.entries()) {
    await load(shop.images, dockerArchive(`evil:${index}`, [plain(...members)])).catch((error: unknown) => assert.equal((error as { code?: string }).code, 'invalid_argument'));
    assert.deepEqual(readdirSync(outside), []);
  }
  await load(shop.images, dockerArchive('twin:1', [plain({ name: 'usr/lib64', type: 'dir', mode: 0o755 }, { name: 'lib64', type: 'symlink', linkName: '/usr/lib64' }, { name: 'lib64/so', content: 'fine' })]));
  assert.equal(readFileSync(join(shop.images.lookup('twin:1').layers[0] as string, 'usr/lib64/so'), 'utf8'), 'fine');
});

test('CVE-2017-14992, CVE-2023-25153: bombs in a layer, around the archive, and in its documents', needsRoot, async () => {
  const shop = workshop();
  // Compressed twice, a thousand to one: what is inside is refused by what it says, not by what it inflates to.
  const zeros = Buffer.alloc(64 << 20);
  await assert.rejects(load(shop.images, gzipSync(zeros)), /neither manifest.json|not a tar/);
  const bomb = gzipSync(archive({ name: 'zeros', content: zeros }));
  await assert.rejects(load(shop.images, dockerArchive('bomb:1', [{ packed: bomb, diffId: sha(Buffer.from('x')) }])), /invalid diffID/);
  for (const wrap of [gzipSync, zstdCompressSync]) {
    await assert.rejects(load(shop.images, wrap(archive({ name: 'manifest.json', content: Buffer.alloc(64 << 20, ' ') }))), /larger than/);
    await assert.rejects(load(shop.images, wrap(archive({ name: 'oci-layout', content: '{}' }, { name: 'index.json', content: Buffer.alloc(9 << 20, ' ') }))), /larger than/);
  }
  await assert.rejects(load(shop.images, archive({ name: 'manifest.json', content: json(Array.from({ length: 10_001 }, () => ({ Config: 'c', Layers: [] }))) })), /expected a list/);
  await assert.rejects(load(shop.images, archive({ name: 'manifest.json', content: `${'['.repeat(500_000)}${']'.repeat(500_000)}` })), { code: 'invalid_argument' });
  shop.assertStored({ layers: 0, blobs: 0 });
  const big = archive({ name: 'zeros', content: zeros });
  await load(shop.images, gzipSync(dockerArchive('twin:1', [{ packed: gzipSync(big), diffId: sha(big) }], { config: { Labels: { long: 'x'.repeat(1 << 20) } } })));
  assert.equal((await shop.images.inspect('twin:1', {})).Size, zeros.length);
});

test('CVE-2021-41190: what could be read as a manifest and as an index', needsRoot, async () => {
  const shop = workshop();
  const image = buildImage({ os: 'linux', architecture: goArchitecture() }, [{ name: 'f', content: 'x' }]);
  const manifest = JSON.parse(image.manifest.toString()) as Record<string, unknown>;
  const both = json({ ...manifest, manifests: [entryOf(image)] });
  const confusions: [string, Buffer][] = [
    [mediaTypes.ociManifest, both], [mediaTypes.ociIndex, both],
    [mediaTypes.ociIndex, image.manifest], [mediaTypes.ociManifest, indexOf(entryOf(image))],
    [mediaTypes.dockerManifest, image.manifest], [mediaTypes.ociManifest, json({ ...manifest, mediaType: mediaTypes.ociIndex })],
  ];
  for (const [type, document] of confusions) await assert.rejects(load(shop.images, layout('docker.io/library/evil:1', type, document, blobsOf(image))), { code: 'invalid_argument' });
  shop.assertStored({ layers: 0, blobs: 0 });
  // Neither has to say what it is: who points at it does.
  const { mediaType: _, ...silent } = manifest;
  await load(shop.images, layout('docker.io/library/twin:1', mediaTypes.ociManifest, json(silent), blobsOf(image)));
  assert.ok(shop.images.lookup('twin:1'));
});

test('CVE-2024-3727: digests and names that are paths', needsRoot, async () => {
  const shop = workshop();
  const image = buildImage({ os: 'linux', architecture: goArchitecture() }, [{ name: 'f', content: 'x' }]);
  const manifest = JSON.parse(image.manifest.toString()) as { config: object; layers: object[] };
  const bad = ['sha256:../../../../etc/passwd', 'sha256:', `sha256:${'A'.repeat(64)}`, `sha512:${'a'.repeat(128)}`, `sha256:${'a'.repeat(63)}`, '../x', '', 7, null, {}];
  for (const digest of bad) {
    for (const document of [json({ ...manifest, config: { ...manifest.config, digest } }), json({ ...manifest, layers: [{ ...manifest.layers[0], digest }] })]) {
      await assert.rejects(load(shop.images, layout('docker.io/library/evil:1', mediaTypes.ociManifest, document, blobsOf(image))), /invalid digest/);
    }
    await assert.rejects(load(shop.images, layout('docker.io/library/evil:1', mediaTypes.ociIndex, indexOf({ ...entryOf(image), digest }), blobsOf(image))), /invalid digest/);
    await assert.rejects(load(shop.images, dockerArchive('evil:1', [{ packed: archive(), diffId: digest as string }])), /invalid digest/);
  }
  for (const name of ['../../etc/passwd', '/etc/passwd', 'blobs/sha256/../../../../etc/passwd']) {
    await assert.rejects(load(shop.images, archive({ name: 'manifest.json', content: json([{ Config: name, RepoTags: [], Layers: [] }]) })), /is missing/);
  }
  // A member's own name may not climb either, and does not matter otherwise.
  await assert.rejects(load(shop.images, archive({ name: '../manifest.json', content: '[]' })), /points outside/);
  shop.assertStored({ layers: 0, blobs: 0 });
  const twin = layout('docker.io/library/twin:1', mediaTypes.ociManifest, image.manifest, blobsOf(image));
  await load(shop.images, twin);
  assert.ok(shop.images.lookup('twin:1'));
});

test('CVE-2024-24557: an image that passes itself off as another, or as made from it', needsRoot, async () => {
  const shop = workshop();
  const base = plain({ name: 'bin/sh', content: 'good' });
  const evil = plain({ name: 'bin/sh', content: 'evil' });
  await load(shop.images, dockerArchive('base:1', [base]));
  const good = shop.images.lookup('base:1');
  // Another's layers under its own ids, and its own layers under another's.
  await assert.rejects(load(shop.images, dockerArchive('evil:1', [{ packed: evil.packed, diffId: evil.diffId.replace(/.$/, (last) => (last === '0' ? '1' : '0')) }])), /invalid diffID/);
  await load(shop.images, dockerArchive('evil:2', [{ packed: evil.packed, diffId: base.diffId }]));
  assert.equal(readFileSync(join(shop.images.lookup('evil:2').layers[0] as string, 'bin/sh'), 'utf8'), 'good', 'layers that are here are known by what they are, not by what an archive brings');
  // Claims of parenthood from outside count for nothing: only what was built or committed here has a parent.
  await load(shop.images, dockerArchive('evil:3', [base, evil], { parent: good.id, Parent: good.id, container_config: { Cmd: ['/bin/sh', '-c', '#(nop) RUN x'] }, history: [{ created_by: 'a' }, { created_by: 'RUN x' }] }));
  assert.equal((await shop.images.inspect('evil:3', {})).Parent, '');
  assert.equal((await shop.images.history('evil:3', {}))[1]?.Id, '<missing>');
  assert.equal(shop.images.lookup('base:1').id, good.id);
});

describe('an engine', needsRoot, () => {
  let engine: TestEngine;
  before(async () => {
    engine = await startEngine();
  });
  after(async () => engine?.stop());

  const post = (path: string, body: Uint8Array): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const sent = request({ socketPath: engine.socket, method: 'POST', path, headers: { 'Content-Type': 'application/x-tar' } }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      sent.on('error', reject).end(body);
    });

  test('CVE-2021-21285: no document, however mangled, takes it down', async () => {
    const image = buildImage({ os: 'linux', architecture: goArchitecture() }, [{ name: 'f', content: 'x' }]);
    const good = layout('docker.io/library/mangled:1', mediaTypes.ociIndex, indexOf(entryOf(image)), blobsOf(image));
    let seed = 20_261_128;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const values = ['null', '[]', '{}', '""', '-1', '1e999', 'true', '[[[[]]]]', '{"__proto__":{"x":1}}', '"\\u0000"', String(2 ** 53)];
    for (let round = 0; round < 120; round++) {
      const config = mangle(image.config.toString(), random, values);
      const manifest = mangle(json({ ...(JSON.parse(image.manifest.toString()) as object), config: descriptor(mediaTypes.ociConfig, config) }).toString(), random, values);
      const index = mangle(indexOf({ ...entryOf(image), ...descriptor(mediaTypes.ociManifest, manifest) }).toString(), random, values);
      const tar = archive(
        { name: 'oci-layout', content: '{}' },
        { name: 'index.json', content: mangle(json({ schemaVersion: 2, manifests: [descriptor(mediaTypes.ociIndex, index)] }).toString(), random, values) },
        ...[config, manifest, index, ...image.layers].map(blob),
      );
      const { status, text } = await post('/v1.50/images/load', tar);
      assert.ok([200, 400, 404, 409].includes(status), `${status} ${text}`);
    }
    assert.equal(await ping(engine.socket), 200);
    const { text } = await post('/v1.50/images/load', good);
    assert.match(text, /Loaded image: mangled:1/);
  });

  test('CVE-2021-41091: nobody else walks into the data root, whatever it was before', async () => {
    const modes = execFileSync('find', [engine.root, '-maxdepth', '1', '-type', 'd', '-perm', '/007', '-not', '-name', 'init-layer'], { encoding: 'utf8' });
    assert.equal(modes, '');
    const layers = join(engine.root, 'layers');
    const [some = ''] = readdirSync(layers);
    const file = join(layers, some, 'diff', 'f');
    assert.ok(existsSync(file), 'there is something to find');
    for (const folder of [engine.root, join(engine.root, '..')]) chmodSync(folder, 0o755);
    const asNobody = (path: string): number | null => spawnSync('cat', [path], { uid: 65_534, gid: 65_534, stdio: 'ignore' }).status;
    assert.notEqual(asNobody(file), 0);
    const open = workshop().folder('open');
    mkdirSync(join(open, 'diff'));
    execFileSync('chmod', ['-R', 'a+rX', join(open, '..')]);
    writeFileSync(join(open, 'diff/f'), 'x', { mode: 0o644 });
    assert.equal(asNobody(join(open, 'diff/f')), 0);
  });
});

/** Puts nonsense in the place of one value, or cuts or doubles a piece. */
function mangle(text: string, random: (below: number) => number, values: readonly string[]): Buffer {
  if (random(3) === 0) return Buffer.from(text);
  const at = random(text.length);
  const kind = random(4);
  if (kind === 0) return Buffer.from(text.slice(0, at));
  if (kind === 1) return Buffer.from(text.slice(0, at) + text.slice(at + 1 + random(5)));
  const members = [...text.matchAll(/:("[^"]*"|\d+|\[[^\]]*\]|\{[^}]*\})/g)];
  const chosen = members[random(members.length)];
  if (chosen === undefined) return Buffer.from(text);
  return Buffer.from(`${text.slice(0, chosen.index)}:${values[random(values.length)] ?? 'null'}${text.slice(chosen.index + chosen[0].length)}`);
}
