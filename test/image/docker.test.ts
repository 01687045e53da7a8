/** Images go both ways between Gantry and real engines: GANTRY_TEST_DOCKER_HOST names a dockerd, GANTRY_TEST_PODMAN_HOST a podman service (unix://...). */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { mediaTypes } from '#spec/oci-image.ts';
import { goArchitecture } from '#spec/platform.ts';
import { blobsOf, buildAttestation, buildImage, entryOf, indexOf, layout, sha } from './layouts.ts';
import { archive, importTar, load, save, workshop } from './workshop.ts';

const tree = archive(
  { name: 'd', type: 'dir', mode: 0o2755, uid: 7 },
  { name: 'd/f', content: 'x'.repeat(3000), xattrs: new Map([['user.a', Buffer.from('b')]]) },
  { name: 'd/l', type: 'link', linkName: 'd/f' },
);

for (const [engine, variable] of [['docker', 'GANTRY_TEST_DOCKER_HOST'], ['podman', 'GANTRY_TEST_PODMAN_HOST']] as const) {
  const host = process.env[variable];
  const needs = { skip: host === undefined ? `${variable} does not name an engine to compare with` : process.getuid?.() === 0 ? false : 'needs root' };
  const name = `gantry-test-${process.pid}`;

  const ask = (method: string, path: string, body?: Uint8Array): Promise<{ status: number; body: Buffer }> => {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: Buffer }>();
    const options = { socketPath: (host ?? '').replace(/^unix:\/\//, ''), method, path: `/v1.40${path}`, headers: { 'Content-Type': 'application/x-tar' } };
    const sent = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    sent.on('error', reject).end(body);
    return promise;
  };
  const inspect = async (image: string): Promise<Record<string, unknown>> => JSON.parse((await ask('GET', `/images/${image}/json`)).body.toString()) as Record<string, unknown>;
  const remove = (tag: string): Promise<unknown> => ask('DELETE', `/images/${name}:${tag}?force=1`);

  test(`an image that ${engine} saved is the same image here`, needs, async () => {
    const { images } = workshop();
    assert.equal((await ask('POST', `/images/create?fromSrc=-&repo=${name}&tag=theirs`, tree)).status, 200);
    try {
      const saved = await ask('GET', `/images/${name}:theirs/get`);
      assert.equal((await load(images, saved.body)).length, 1);
      const theirs = await inspect(`${name}:theirs`);
      const ours = await images.inspect(theirs['Id'] as string, {});
      assert.deepEqual(ours.RootFS, theirs['RootFS']);
      assert.equal(ours.Created, theirs['Created']);
    } finally {
      await remove('theirs');
    }
  });

  test(`an image saved here is the same image for ${engine}`, needs, async () => {
    const { images } = workshop();
    await importTar(images, tree, { repo: name, tag: 'ours', changes: ['CMD ["a", "b"]', 'ENV A=b'] });
    const loaded = await ask('POST', '/images/load', await save(images, `${name}:ours`));
    try {
      assert.match(loaded.body.toString(), new RegExp(`Loaded image: \\S*${name}:ours`));
      const [theirs, ours] = [await inspect(`${name}:ours`), await images.inspect(`${name}:ours`, {})];
      assert.equal(theirs['Id'], ours.Id);
      assert.deepEqual(theirs['RootFS'], ours.RootFS);
      assert.deepEqual((theirs['Config'] as Record<string, unknown>)['Cmd'], ours.Config?.Cmd);
    } finally {
      await remove('ours');
    }
  });

  test(`an index saved here is its platform's image for ${engine}`, needs, async () => {
    const { images } = workshop();
    const [mine, other] = [goArchitecture(), 's390x'].map((architecture) => buildImage({ os: 'linux', architecture }, [{ name: 'arch', content: architecture }]));
    assert.ok(mine && other);
    const attestation = buildAttestation(mine);
    const index = indexOf(entryOf(other), entryOf(mine), attestation.descriptor);
    await load(images, layout(`docker.io/library/${name}:multi`, mediaTypes.ociIndex, index, [...blobsOf(mine), ...blobsOf(other), attestation.manifest, ...attestation.blobs]));
    const loaded = await ask('POST', '/images/load', await save(images, `${name}:multi`));
    try {
      assert.match(loaded.body.toString(), new RegExp(`Loaded image: \\S*${name}:multi`));
      assert.equal((await inspect(`${name}:multi`))['Id'], sha(mine.config));
    } finally {
      await remove('multi');
    }
  });
}
