import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDockerCli } from '../test/clients/docker-cli.ts';
import { goArchitecture } from '../src/spec/platform.ts';
import { TAR_END, tarHeader, tarPadding } from '../src/spec/tar/writer.ts';
import type { Bench, Subject } from './harness/topic.ts';

/** Shapes of uncompressed archives, as `docker save` writes them: layers of files of some size. */
const shapes = [
  { name: 'gantry-bench-archive/layers:1', title: '12 uncompressed layers, 300 MB', layers: 12, files: 100, size: 250_000, count: 3 },
  { name: 'gantry-bench-archive/small:1', title: '20,000 small files, uncompressed', layers: 2, files: 10_000, size: 700, count: 2 },
];

/** `load` of what is not compressed, and `save` of what was loaded so. */
export async function archives({ subjects, engines, compare, call }: Bench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-archives-'));
  const drop = (subject: Subject, name: string): Promise<unknown> => createDockerCli(`unix://${subject.socket}`)(['rmi', '-f', name]);
  try {
    for (const shape of shapes) {
      const file = join(folder, 'in.tar');
      writeArchive(file, shape);
      await compare(`\`load\` of ${shape.title}`, shape.count, async (subject) => {
        await drop(subject, shape.name);
        return call(subject, ['load', '-q', '-i', file]);
      });
      const out = (subject: Subject): string => join(folder, `out-${subjects.indexOf(subject)}.tar`);
      await compare(`\`save\` of it`, shape.count, async (subject) => {
        rmSync(out(subject), { force: true });
        return call(subject, ['save', '-o', out(subject), shape.name]);
      });
      for (const subject of engines) await drop(subject, shape.name);
      for (const subject of subjects) rmSync(out(subject), { force: true });
    }
  } finally {
    for (const subject of engines) for (const { name } of shapes) await drop(subject, name);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Half of the bytes are noise, so that nothing comes for free. */
function writeArchive(path: string, shape: (typeof shapes)[number]): void {
  const fd = openSync(path, 'w');
  const put = (...chunks: Uint8Array[]): void => chunks.forEach((chunk) => writeSync(fd, chunk));
  const diffIds: string[] = [];
  const noise = randomBytes(shape.size);
  for (let layer = 0; layer < shape.layers; layer++) {
    const hash = createHash('sha256');
    const chunks: Uint8Array[] = [];
    for (let file = 0; file < shape.files; file++) {
      if (file % 100 === 0) chunks.push(tarHeader({ name: `l${layer}/d${file / 100}`, type: 'dir', mode: 0o755 }));
      const content = Buffer.from(noise);
      content.fill(`${layer}.${file}.`, 0, shape.size >> 1);
      chunks.push(tarHeader({ name: `l${layer}/d${Math.floor(file / 100)}/f${file}`, type: 'file', mode: 0o644, size: content.length }), content, tarPadding(content.length));
    }
    chunks.push(TAR_END);
    for (const chunk of chunks) hash.update(chunk);
    diffIds.push(`sha256:${hash.digest('hex')}`);
    put(tarHeader({ name: `${layer}/layer.tar`, type: 'file', mode: 0o644, size: chunks.reduce((sum, { length }) => sum + length, 0) }), ...chunks);
  }
  const add = (name: string, value: unknown): void => {
    const bytes = Buffer.from(JSON.stringify(value));
    put(tarHeader({ name, type: 'file', mode: 0o644, size: bytes.length }), bytes, tarPadding(bytes.length));
  };
  add('config.json', { architecture: goArchitecture(), os: 'linux', config: { Cmd: ['true'] }, rootfs: { type: 'layers', diff_ids: diffIds } });
  add('manifest.json', [{ Config: 'config.json', RepoTags: [shape.name], Layers: diffIds.map((_, layer) => `${layer}/layer.tar`) }]);
  put(TAR_END);
  closeSync(fd);
}
