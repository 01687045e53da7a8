import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { mediaTypes } from '#spec/oci-image.ts';
import { goArchitecture } from '#spec/platform.ts';
import { blobsOf, buildAttestation, buildImage, entryOf, indexOf, layout } from './layouts.ts';
import { archive, importTar, load, needsRoot, workshop, type Workshop } from './workshop.ts';

/** What lies in the two folders, without the folders themselves. */
function du({ layout: { layers, blobs } }: Workshop): number {
  const total = (path: string): number => Number(execFileSync('du', ['-s', '--block-size=1', path], { encoding: 'utf8' }).split('\t')[0]);
  const own = (path: string): number => Number(execFileSync('stat', ['-c', '%b', path], { encoding: 'utf8' })) * 512;
  return total(layers) - own(layers) + total(blobs) - own(blobs);
}

test('what images take is what du says: trees, blobs, other platforms and attestations, shared layers once', needsRoot, async () => {
  const shop = workshop();
  const base = Array.from({ length: 40 }, (_, index) => ({ name: `files/${index}`, content: Buffer.alloc(index * 1000, index) }));
  await importTar(shop.images, archive(...base, { name: 'files/link', type: 'link', linkName: 'files/39' }), { repo: 'base' });
  await shop.images.tag('base', { repo: 'again', tag: '1' });
  const images = [goArchitecture(), 's390x'].map((architecture) => buildImage({ os: 'linux', architecture }, [{ name: 'arch', content: architecture.repeat(5000) }]));
  const attestation = buildAttestation(images[0]!);
  const index = indexOf(...images.map(entryOf), attestation.descriptor);
  await load(shop.images, layout('docker.io/library/multi:1', mediaTypes.ociIndex, index, [...images.flatMap(blobsOf), attestation.manifest, ...attestation.blobs]));

  for (const round of ['measured', 'remembered']) {
    const usage = await shop.images.diskUsage();
    assert.equal(usage.layersSize, du(shop), round);
    assert.equal(usage.images.reduce((sum, image) => sum + image.Size, 0), usage.layersSize, 'nothing is shared: the images are all of it');
    assert.deepEqual(usage.images.map(({ SharedSize }) => SharedSize), [0, 0]);
  }
  await shop.images.prepare('multi:1', 'linux/s390x');
  assert.equal((await shop.images.diskUsage()).layersSize, du(shop));
  await shop.images.remove('multi:1', { force: false, noPrune: false });
  assert.equal((await shop.images.diskUsage()).layersSize, du(shop));
  await shop.images.remove('base', { force: false, noPrune: false });
  await shop.images.remove('again:1', { force: false, noPrune: false });
  assert.equal((await shop.images.diskUsage()).layersSize, 0);
  assert.equal(du(shop), 0);
});
