/** Images go both ways between Gantry and a real dockerd, named by GANTRY_TEST_DOCKER_HOST (unix://...) with busybox in it. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { archive, importTar, load, save, workshop } from './workshop.ts';

const host = process.env['GANTRY_TEST_DOCKER_HOST'];
const needsDocker = { skip: host === undefined ? 'GANTRY_TEST_DOCKER_HOST does not name a dockerd to compare with' : process.getuid?.() === 0 ? false : 'needs root' };
const needsSkopeo = { skip: spawnSync('skopeo', ['--version']).status !== 0 ? 'skopeo is not installed' : process.getuid?.() === 0 ? false : 'needs root' };

function docker(method: string, path: string, body?: Uint8Array): Promise<{ status: number; body: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: Buffer }>();
  const sent = request({ socketPath: (host ?? '').replace(/^unix:\/\//, ''), method, path: `/v1.44${path}`, headers: { 'Content-Type': 'application/x-tar' } }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
  });
  sent.on('error', reject).end(body);
  return promise;
}

const inspect = async (name: string): Promise<Record<string, unknown>> => JSON.parse((await docker('GET', `/images/${name}/json`)).body.toString()) as Record<string, unknown>;

test('an image that docker saved is the same image here', needsDocker, async () => {
  const { images } = workshop();
  const saved = await docker('GET', '/images/busybox/get');
  assert.deepEqual((await load(images, saved.body)).map((line) => line.stream), ['Loaded image: busybox:latest\n']);
  const [theirs, ours] = [await inspect('busybox'), await images.inspect('busybox', {})];
  assert.equal(ours.Id, theirs['Id']);
  assert.equal(ours.Size, theirs['Size']);
  assert.deepEqual(ours.RootFS, theirs['RootFS']);
  assert.equal(ours.Created, theirs['Created']);
});

test('an image saved here is the same image for docker', needsDocker, async () => {
  const { images } = workshop();
  const tar = archive({ name: 'd', type: 'dir', mode: 0o2755, uid: 7 }, { name: 'd/f', content: 'x'.repeat(3000), xattrs: new Map([['user.a', Buffer.from('b')]]) }, { name: 'd/l', type: 'link', linkName: 'd/f' });
  const name = `gantry-test-${process.pid}`;
  await importTar(images, tar, { repo: name, tag: '1', changes: ['CMD ["a", "b"]', 'ENV A=b', 'HEALTHCHECK CMD true'] });
  const loaded = await docker('POST', '/images/load', await save(images, `${name}:1`));
  try {
    assert.match(loaded.body.toString(), new RegExp(`Loaded image: ${name}:1`));
    const [theirs, ours] = [await inspect(`${name}:1`), await images.inspect(`${name}:1`, {})];
    assert.equal(theirs['Id'], ours.Id);
    assert.deepEqual(theirs['RootFS'], ours.RootFS);
    assert.deepEqual((theirs['Config'] as Record<string, unknown>)['Healthcheck'], ours.Config?.Healthcheck);
  } finally {
    await docker('DELETE', `/images/${name}:1?force=1`);
  }
});

test('skopeo reads both halves of what save writes', needsSkopeo, async () => {
  const { images, root, folder } = workshop();
  await importTar(images, archive({ name: 'f', content: 'x' }), { repo: 'app', tag: '1' });
  const file = join(root, 'saved.tar');
  writeFileSync(file, await save(images, 'app:1'));
  const read = (reference: string): unknown => JSON.parse(execFileSync('skopeo', ['inspect', '--config', reference], { encoding: 'utf8' }));
  const layout = folder('layout');
  execFileSync('tar', ['xf', file, '-C', layout]);
  assert.deepEqual(read(`docker-archive:${file}:docker.io/library/app:1`), read(`oci:${layout}:1`));
});
