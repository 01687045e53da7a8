/** Registries that stall, break off, lie and point elsewhere: a sentence that names them, nothing half made, the next try goes on. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { messages, needsRoot, workshop } from '../image/workshop.ts';
import { dockerManifest, makeImage, makeLayer, sendBlob, sha256, startCrookedServer, type CrookedServer, type MadeImage, type Trick } from './crooked-server.ts';

const shop = workshop({ registries: { stall: 400, firstRetry: 5, attempts: 3 } });
const { images, layout } = shop;
const noise = (size: number): Buffer => randomBytes(size);

const pull = (name: string, platform?: string): Promise<string[]> => messages(images.pull({ reference: name, platform })).then((lines) => lines.map(({ status, id }) => [id, status].filter(Boolean).join(': ')));
const removeAll = async (name: string): Promise<void> => void (await images.remove(name, { force: true, noPrune: false }));
const parts = (image: MadeImage): string[] => readdirSync(layout.downloads).filter((name) => image.layers.some(({ digest }) => name.startsWith(digest.slice(7))));
const honest: Trick = () => false;

/** Nothing of a failed pull is visible, and no half layer is left; beginnings of blobs may be. */
function assertNothing(name: string): void {
  assert.throws(() => images.lookup(name), /No such image/);
  assert.deepEqual(readdirSync(layout.tmp), []);
  assert.deepEqual(readdirSync(layout.layers), []);
  assert.deepEqual(readdirSync(layout.blobs), []);
}

/** The same image from the same registry, now telling the truth. */
async function assertWorks(server: CrookedServer, name: string, image: MadeImage): Promise<void> {
  server.trick = honest;
  assert.match((await pull(name)).at(-1) ?? '', /Status: Downloaded newer image/);
  const found = images.lookup(name);
  assert.equal(found.id, sha256(image.config));
  assert.equal(found.layers.length, image.layers.length);
  for (const { digest } of image.layers) assert.ok(existsSync(join(layout.blobs, digest.slice(7))));
  assert.deepEqual(parts(image), [], 'no beginning is left');
  await removeAll(name);
  assertNothing(name);
}

const answer = (say: (response: ServerResponse) => unknown): Trick => (_request, response) => {
  say(response);
  return true;
};
const isBlob = (url: string | undefined, digest: string): boolean => url?.includes(`/blobs/${digest}`) === true;
/** Tricks only with the first layer's bytes. */
const onLayer = (image: MadeImage, trick: Trick): Trick => (request, response, body) =>
  request.method === 'GET' && isBlob(request.url, image.layers[0]!.digest) && trick(request, response, body);

test('the line drops in the middle of a layer: the rest is asked for, not the beginning again', needsRoot, async () => {
  await using server = await startCrookedServer();
  const image = makeImage([makeLayer('a', noise(3_000_000))]);
  const name = server.publish('drops', image);
  let drops = 0;
  server.trick = onLayer(image, (request, response, body) => {
    if (drops >= 2) return false;
    drops++;
    const from = Number(/bytes=(\d+)/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': body!.length - from, ...(from > 0 ? { 'content-range': `bytes ${from}-${body!.length - 1}/${body!.length}` } : {}) });
    response.write(body!.subarray(from, from + 1_000_000), () => response.destroy());
    return true;
  });
  await pull(name);
  const starts = server.blobRequests(image.layers[0]!.digest).map(({ headers }) => Number(/bytes=(\d+)/.exec(headers.range ?? '')?.[1] ?? 0));
  assert.equal(starts.length, 3);
  assert.ok(starts[0] === 0 && starts[1]! > 0 && starts[2]! > starts[1]!, starts.join());
  assert.equal(images.lookup(name).id, sha256(image.config));
  await removeAll(name);
});

test('it breaks off again and again: the error names registry and blob, and the next pull goes on from there', needsRoot, async () => {
  await using server = await startCrookedServer();
  const image = makeImage([makeLayer('a', noise(2_000_000))]);
  const name = server.publish('broken', image);
  server.trick = onLayer(image, (request, response, body) => {
    if (request.headers.range !== undefined) response.writeHead(503).end();
    else {
      response.writeHead(200, { 'content-length': body!.length });
      response.write(body!.subarray(0, 900_000), () => response.destroy());
    }
    return true;
  });
  await assert.rejects(pull(name), new RegExp(`registry ${server.host}: unexpected HTTP status 503 for /v2/broken/blobs/${image.layers[0]!.digest}`));
  assertNothing(name);
  assert.equal(parts(image).length, 1);
  const kept = statSync(join(layout.downloads, parts(image)[0]!)).size;
  assert.ok(kept > 0 && kept <= 900_000);
  server.seen.length = 0;
  await assertWorks(server, name, image);
  assert.deepEqual(server.blobRequests(image.layers[0]!.digest).map(({ headers }) => headers.range), [`bytes=${kept}-`]);
});

test('a restart keeps what came, and a registry without ranges is skipped through', needsRoot, async () => {
  await using server = await startCrookedServer();
  const image = makeImage([makeLayer('a', noise(2_000_000))]);
  const name = server.publish('again', image);
  server.trick = onLayer(image, (request, response, body) => {
    if (request.headers.range !== undefined) response.writeHead(500).end();
    else {
      response.writeHead(200, { 'content-length': body!.length });
      response.write(body!.subarray(0, 900_000), () => response.destroy());
    }
    return true;
  });
  await assert.rejects(pull(name));
  await images.recover();
  assert.equal(parts(image).length, 1);
  server.trick = onLayer(image, (_request, response, body) => {
    response.writeHead(200, { 'content-length': body!.length }).end(body);
    return true;
  });
  await pull(name);
  await removeAll(name);
  assert.deepEqual(parts(image), []);
});

test('a stall ends after its time and goes on with a new connection; for ever stalled is an error', needsRoot, async () => {
  await using server = await startCrookedServer();
  const image = makeImage([makeLayer('a', noise(1_000_000))]);
  const name = server.publish('stalls', image);
  let stalls = 0;
  const stalling = (most: number): Trick => onLayer(image, (request, response, body) => {
    if (++stalls > most) return false;
    if (request.headers.range === undefined) response.writeHead(200, { 'content-length': body!.length }).write(body!.subarray(0, 600_000));
    else response.flushHeaders();
    return true;
  });
  server.trick = stalling(1);
  await pull(name);
  await removeAll(name);
  stalls = 0;
  server.trick = stalling(Infinity);
  await assert.rejects(pull(name), new RegExp(`${server.host}.*Client.Timeout`));
  assertNothing(name);
  await assertWorks(server, name, image);
});

test('lies about length and digest are found out', needsRoot, async () => {
  await using server = await startCrookedServer();
  const image = makeImage([makeLayer('a', noise(500_000))]);
  const { bytes, digest } = image.layers[0]!;
  const name = server.publish('lies', image);
  const answers: [RegExp, Trick][] = [
    [/lies about blob .*the manifest says \d+ bytes, it sends \d+/, answer((response) => response.writeHead(200, { 'content-length': 10 }).end('0123456789'))],
    [/lies about blob .*the manifest says \d+ bytes, it sends \d+/, answer((response) => response.writeHead(200, { 'content-length': bytes.length + 1 }).end(Buffer.concat([bytes, Buffer.from('x')])))],
    [/lies about blob .*it sends more than \d+ bytes/, answer((response) => response.writeHead(200).end(Buffer.concat([bytes, Buffer.alloc(100_000)])))],
    [new RegExp(`filesystem layer verification failed for digest ${digest}`), (_q, response) => {
      const other = makeLayer('a', noise(499_000)).bytes;
      response.end(Buffer.concat([other, Buffer.alloc(bytes.length - other.length)]));
      return true;
    }],
    [/failed to register layer .* damaged/, answer((response) => response.end(Buffer.concat([bytes.subarray(0, 1000), noise(bytes.length - 1000)])))],
    [/failed to register layer/, answer((response) => response.end(Buffer.concat([Buffer.from('<html>no</html>'), noise(bytes.length - 15)])))],
  ];
  for (const [expected, trick] of answers) {
    server.trick = onLayer(image, trick);
    await assert.rejects(pull(name), (error: Error) => {
      assert.match(error.message, expected);
      assert.ok(error.message.includes(server.host) || error.message.includes(digest), error.message);
      return true;
    });
    assertNothing(name);
  }
  await assertWorks(server, name, image);
});

test('answers that are no registry\'s', needsRoot, async () => {
  await using server = await startCrookedServer();
  const image = makeImage([makeLayer('a', 'small')]);
  const name = server.publish('html', image);
  const onManifest = (status: number, type: string, text: string | Buffer): Trick => (request, response) => {
    if (request.url?.includes('/manifests/') !== true) return false;
    response.writeHead(status, { 'content-type': type }).end(text);
    return true;
  };
  const attempts: [Trick, RegExp][] = [
    [onManifest(200, 'text/html', '<html>Sign in</html>'), /registry 127.* sent for .*html:1 what is no image: .*not JSON/],
    [onManifest(502, 'text/html', '<html>Bad gateway</html>'), /registry 127.*: error parsing HTTP 502 response body: .*<html>/],
    [onManifest(404, 'text/html', '<html>Not here</html>'), /manifest for .*html:1 not found/],
    [onManifest(200, 'application/vnd.docker.distribution.manifest.v1+prettyjws', '{"schemaVersion":1}'), /old manifest schema 1, which is no longer supported/],
    [onManifest(200, dockerManifest, Buffer.alloc(9 << 20, 32)), /has more than \d+ bytes/],
    [onManifest(200, dockerManifest, '[]'), /what is no image/],
    [onManifest(200, dockerManifest, '{"schemaVersion":2,"config":null}'), /what is no image/],
    [onManifest(401, 'application/json', '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'), /unauthorized: authentication required/],
    [onManifest(403, 'application/json', '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}'), /pull access denied for .*html, repository does not exist or may require 'docker login': denied: requested access/],
  ];
  for (const [trick, expected] of attempts) {
    server.trick = trick;
    await assert.rejects(pull(name), expected);
    assertNothing(name);
  }
  await assertWorks(server, name, image);
});

test('documents that could be read two ways, and digests that are paths (CVE-2021-41190, CVE-2024-3727)', needsRoot, async () => {
  await using server = await startCrookedServer();
  const layer = makeLayer('a', 'x');
  const honestImage = makeImage([layer]);
  const both = makeImage([layer], (manifest) => ({ ...manifest, manifests: [] }));
  const path = makeImage([layer], (manifest) => ({ ...manifest, layers: [{ mediaType: layer.mediaType, size: 1, digest: 'sha256:../../../../etc/passwd' }] }));
  const other = makeImage([layer], (manifest) => ({ ...manifest, mediaType: 'application/vnd.oci.image.index.v1+json' }));
  const count = makeImage([layer], (manifest) => ({ ...manifest, layers: [] }));
  for (const [image, expected] of [[both, /either a manifest or an index/], [path, /invalid digest/], [other, /announced as|not a/], [count, /layers length mismatch/]] as const) {
    const name = server.publish('confused', image);
    await assert.rejects(pull(name), expected);
    assertNothing(name);
  }
  await assertWorks(server, server.publish('confused', honestImage), honestImage);
});

test('ten gigabytes of zeros in ten megabytes', needsRoot, async () => {
  await using server = await startCrookedServer();
  // Members of one gzip stream are read as one: 160 times 64 MB.
  const member = gzipSync(Buffer.alloc(64_000_000));
  const bytes = Buffer.concat(Array.from({ length: 160 }, () => member));
  const tar = gzipSync(makeTarHead('zeros', 160 * 64_000_000));
  const bomb = { bytes: Buffer.concat([tar, bytes]), digest: '', diffId: sha256('unknown'), mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' };
  bomb.digest = sha256(bomb.bytes);
  const image = makeImage([bomb]);
  const name = server.publish('bomb', image);
  await assert.rejects(pull(name), new RegExp(`failed to register layer ${bomb.digest} from registry ${server.host}: the archive is refused: more than \\d+ bytes when decompressed`));
  assertNothing(name);
  assert.deepEqual(parts(image), []);
  // The twin: zeros, too, but no more than an image may hold.
  const twin = makeImage([makeLayer('zeros', Buffer.alloc(100_000_000))]);
  await assertWorks(server, server.publish('zeros', twin), twin);
});

function makeTarHead(name: string, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\0' + '00', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

test('credentials are for the registry, not for whom it points at (CVE-2020-15157)', needsRoot, async () => {
  await using registry = await startCrookedServer();
  await using elsewhere = await startCrookedServer();
  const image = makeImage([makeLayer('a', noise(10_000))]);
  elsewhere.publish('stolen', image);
  const name = registry.publish('moved', image);
  const authorization = `Basic ${Buffer.from('me:secret').toString('base64')}`;
  let target = elsewhere.host;
  registry.trick = (request, response) => {
    if (request.headers.authorization !== authorization) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
      return true;
    }
    if (request.url?.startsWith('/v2/moved/blobs/') !== true) return false;
    response.writeHead(307, { location: `http://${target}/v2/stolen/blobs/${request.url.split('/').at(-1)}` }).end();
    return true;
  };
  const withPassword = (): Promise<unknown> => messages(images.pull({ reference: name, credentials: { username: 'me', password: 'secret' } }));
  await withPassword();
  assert.ok(elsewhere.seen.length > 0);
  assert.deepEqual(elsewhere.seen.map(({ headers }) => headers.authorization), elsewhere.seen.map(() => undefined));
  await removeAll(name);
  // The twin: within the registry they go along.
  registry.publish('stolen', image);
  target = registry.host;
  registry.seen.length = 0;
  await withPassword();
  assert.ok(registry.seen.some(({ path, headers }) => path.startsWith('/v2/stolen/') && headers.authorization === authorization));
  await removeAll(name);

  const foreign = { ...makeLayer('b', noise(10_000)), mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' };
  elsewhere.publish('foreign', makeImage([foreign]));
  elsewhere.seen.length = 0;
  const pointing = makeImage([{ ...foreign, urls: [`http://${elsewhere.host}/v2/foreign/blobs/${foreign.digest}`] }]);
  const foreignName = registry.publish('pointing', pointing);
  registry.trick = (request, response) => {
    if (request.headers.authorization !== authorization) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
      return true;
    }
    if (!isBlob(request.url, foreign.digest)) return false;
    response.writeHead(404).end();
    return true;
  };
  await messages(images.pull({ reference: foreignName, credentials: { username: 'me', password: 'secret' } }));
  assert.equal(elsewhere.seen.length, 1);
  assert.equal(elsewhere.seen[0]!.headers.authorization, undefined);
  await removeAll(foreignName);
});

test('busy registries are asked again when they say so; one that never lets in is left', needsRoot, async () => {
  await using server = await startCrookedServer();
  const image = makeImage([makeLayer('a', noise(10_000))]);
  const name = server.publish('busy', image);
  let refusals = 0;
  server.trick = onLayer(image, (_request, response) => {
    if (refusals >= 2) return false;
    refusals++;
    response.writeHead(429, { 'retry-after': '0' }).end('slow down');
    return true;
  });
  await pull(name);
  assert.equal(refusals, 2);
  await removeAll(name);
  server.seen.length = 0;
  server.trick = (_request, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    return true;
  };
  await assert.rejects(messages(images.pull({ reference: name, credentials: { username: 'a', password: 'b' } })), /unauthorized/);
  assert.ok(server.seen.length <= 3);
  await assert.rejects(pull(name), /no basic auth credentials/);
});

test('large layers come in ranges, two pulls share one download, and leaving stops it', needsRoot, async () => {
  await using server = await startCrookedServer();
  const image = makeImage([makeLayer('large', noise(40_000_000), 0), makeLayer('b', 'small'), makeLayer('b', 'small')]);
  const large = image.layers[0]!.digest;
  const name = server.publish('large', image);
  const twin = server.publish('twin', image);
  await Promise.all([pull(name), pull(twin)]);
  const ranges = server.blobRequests(large).map(({ headers }) => headers.range);
  assert.equal(new Set(ranges).size, ranges.length, 'no byte is fetched twice');
  assert.ok(ranges.length >= 4, ranges.join());
  assert.equal(server.blobRequests(image.layers[1]!.digest).length, 1);
  await removeAll(name);
  await removeAll(twin);
  assertNothing(name);

  let held = 0;
  server.trick = onLayer(image, (request, response, body) => {
    if (request.headers.range?.startsWith('bytes=0-') === true || held > 0) {
      if (held++ === 0) sendBlob(request, response, body!);
      return true;
    }
    return false;
  });
  for await (const { status } of images.pull({ reference: name })) if (status === 'Downloading') break;
  assertNothing(name);
  await assertWorks(server, name, image);
});

test('a disk that is full: it is said, nothing is kept, and with room the pull works', needsRoot, async () => {
  const disk = mkdtempSync(join(tmpdir(), 'gantry-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', disk]);
  const small = workshop({ folder: disk, registries: { firstRetry: 5 } });
  after(() => {
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  });
  await using server = await startCrookedServer();
  const image = makeImage([makeLayer('a', noise(19_000_000), 0), makeLayer('b', noise(1_000))]);
  const fitting = makeImage([makeLayer('a', noise(3_000_000), 0)]);
  const from = (name: string): Promise<unknown> => messages(small.images.pull({ reference: name }));
  await assert.rejects(from(server.publish('big', image)), /no space left on device/);
  small.assertStored({ layers: 0, blobs: 0 });
  assert.deepEqual(readdirSync(small.layout.downloads), []);
  await from(server.publish('fitting', fitting));
  small.assertStored({ layers: 1, blobs: 1 });
});
