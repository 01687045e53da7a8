/** Images of known shapes in a real registry on loopback, made once and kept for later runs. */
import { spawn } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { TAR_END, tarHeader, tarPadding } from '../../src/spec/tar/writer.ts';

export interface BenchRegistry {
  /** `127.0.0.1:port`. */
  host: string;
  stop(): Promise<void>;
}

interface Layer {
  bytes: Buffer;
  digest: string;
  diffId: string;
}

/** Bytes that gzip halves: noise and words by turns, the same for the same seed. */
function content(seed: number, size: number): Buffer {
  const key = createHash('md5').update(`gantry ${seed}`).digest();
  const noise = createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
  const words = Buffer.from('the quick brown fox jumps over the lazy dog and runs; int main(void) { return 0; } /usr/lib/x86_64-linux-gnu/libexample.so.1 '.repeat(40));
  for (let at = 0; at < size; at += 8192) words.copy(noise, at, at % words.length, Math.min(words.length, (at % words.length) + 4608));
  return noise;
}

function layer(files: Iterable<{ name: string; data: Buffer }>): Layer {
  const parts: Buffer[] = [];
  const folders = new Set<string>();
  for (const { name, data } of files) {
    const pieces = name.split('/').slice(0, -1);
    for (let depth = 1; depth <= pieces.length; depth++) {
      const folder = `${pieces.slice(0, depth).join('/')}/`;
      if (folders.has(folder)) continue;
      folders.add(folder);
      parts.push(tarHeader({ name: folder, type: 'dir', mode: 0o755 }));
    }
    parts.push(tarHeader({ name, type: 'file', mode: 0o644, size: data.length }), data);
    if (data.length % 512 !== 0) parts.push(tarPadding(data.length));
  }
  parts.push(TAR_END);
  const tar = Buffer.concat(parts);
  const bytes = gzipSync(tar, { level: 6 });
  const sha = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;
  return { bytes, digest: sha(bytes), diffId: sha(tar) };
}

function* filesOf(folder: string, seed: number, total: number, each: number): Generator<{ name: string; data: Buffer }> {
  const all = content(seed, total);
  for (let at = 0, index = 0; at < total; at += each, index++) yield { name: `${folder}/${Math.floor(index / 200)}/${index}`, data: all.subarray(at, at + each) };
}

function* smallFiles(count: number): Generator<{ name: string; data: Buffer }> {
  const all = content(99, 1 << 20);
  for (let index = 0; index < count; index++) {
    const size = 100 + ((index * 7919) % 3000);
    const at = (index * 104_729) % (all.length - 4096);
    yield { name: `small/${Math.floor(index / 1000)}/${Math.floor(index / 100) % 10}/file-${index}`, data: all.subarray(at, at + size) };
  }
}

const MB = 1e6;
const shapes: Readonly<Record<string, () => Layer[]>> = {
  twelve: () => Array.from({ length: 12 }, (_, index) => layer(filesOf(`part-${index}`, index, Math.floor((400 * MB) / 12), 40_000))),
  single: () => [layer(filesOf('large', 50, 600 * MB, 2_000_000))],
  small: () => [layer(smallFiles(100_000))],
  tiny: () => [layer(filesOf('tiny', 60, 2 * MB, 200_000))],
  'ten-a': () => Array.from({ length: 10 }, (_, index) => layer(filesOf(`shared-${index}`, 70 + index, 10 * MB, 40_000))),
  'ten-b': () => Array.from({ length: 10 }, (_, index) => layer(filesOf(`shared-${index}`, 70 + index + (index === 9 ? 100 : 0), 10 * MB, 40_000))),
};

/** Starts Debian's docker-registry with every shape as `bench/SHAPE:1`. */
export async function startBenchRegistry(): Promise<BenchRegistry> {
  const folder = process.env['GANTRY_BENCH_CACHE'] ?? join(tmpdir(), 'gantry-bench-registry');
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const config = join(folder, `config-${port}.yml`);
  writeFileSync(config, `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${folder}/data}}\nhttp: {addr: '${host}'}\n`);
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.on('error', () => {});
  for (let tries = 0; ; tries++) {
    if (await ask(host, 'GET', '/v2/').then(({ status }) => status === 200, () => false)) break;
    if (tries > 200 || child.exitCode !== null) throw new Error('docker-registry (package docker-registry) does not start');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  for (const [shape, make] of Object.entries(shapes)) {
    const mark = join(folder, `${shape}.done`);
    if (existsSync(mark)) continue;
    await publish(host, `bench/${shape}`, make());
    writeFileSync(mark, '');
  }
  return {
    host,
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}

async function publish(host: string, name: string, layers: readonly Layer[]): Promise<void> {
  const upload = async (bytes: Buffer, digest: string): Promise<void> => {
    const { location } = await ask(host, 'POST', `/v2/${name}/blobs/uploads/`);
    const url = new URL(location ?? '', `http://${host}`);
    url.searchParams.set('digest', digest);
    const { status } = await ask(host, 'PUT', url.pathname + url.search, bytes);
    if (status !== 201) throw new Error(`uploading to ${name}: HTTP ${status}`);
  };
  for (const { bytes, digest } of layers) await upload(bytes, digest);
  const config = Buffer.from(JSON.stringify({ architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) } }));
  const digest = `sha256:${createHash('sha256').update(config).digest('hex')}`;
  await upload(config, digest);
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: config.length, digest },
    layers: layers.map(({ bytes, digest: layerDigest }) => ({ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size: bytes.length, digest: layerDigest })),
  };
  const { status } = await ask(host, 'PUT', `/v2/${name}/manifests/1`, Buffer.from(JSON.stringify(manifest)), manifest.mediaType);
  if (status !== 201) throw new Error(`the manifest of ${name}: HTTP ${status}`);
}

function ask(host: string, method: string, path: string, body?: Buffer, type = 'application/octet-stream'): Promise<{ status: number; location: string | undefined }> {
  const [hostname, port] = host.split(':');
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers: { 'content-type': type, 'content-length': body?.length ?? 0 }, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve({ status: response.statusCode ?? 0, location: response.headers.location }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
