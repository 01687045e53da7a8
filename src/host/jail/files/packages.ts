/** What package managers left behind in a tree: dpkg, apk, npm and pip. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import { toText } from '#spec/tar/header.ts';
import type { ByteString } from '#spec/tar/header.ts';
import { TreeSpace } from '../enter.ts';
import type { FoundPackage, PackagesJob } from '../protocol.ts';
import { fsPath } from '../syscalls.ts';
import { list } from '../tree-reader.ts';
import { joined, look } from './entry.ts';

const limits = { file: 64 << 20, packages: 200_000, depth: 40 } as const;

export function findPackages(job: PackagesJob, check: () => void): FoundPackage[] {
  using space = new TreeSpace(job.points);
  space.enterRoot(space.merged(job.tree));
  const found: FoundPackage[] = [];
  const dpkg = readText('/var/lib/dpkg/status');
  if (dpkg !== undefined) found.push(...debs(dpkg, '/var/lib/dpkg/status'));
  // Images without a package manager have a file for each package.
  for (const name of list('/var/lib/dpkg/status.d')) {
    const path = joined('/var/lib/dpkg/status.d', name);
    if (!name.endsWith('.md5sums')) found.push(...debs(readText(path) ?? '', toText(path)));
  }
  const apk = readText('/lib/apk/db/installed') ?? readText('/usr/lib/apk/db/installed');
  if (apk !== undefined) found.push(...apks(apk));
  walk('/', 0, found, check);
  return found.slice(0, limits.packages);
}

function walk(folder: ByteString, depth: number, found: FoundPackage[], check: () => void): void {
  if (depth > limits.depth || found.length > limits.packages) return;
  check();
  for (const name of list(folder)) {
    const path = joined(folder, name);
    if (depth === 0 && ['proc', 'sys', 'dev'].includes(name)) continue;
    if (look(path)?.isDirectory() !== true) continue;
    if (folder.endsWith('/node_modules') && !name.startsWith('.')) {
      for (const item of name.startsWith('@') ? list(path).map((child) => joined(path, child)) : [path]) {
        const own = npm(joined(item, 'package.json'));
        if (own !== undefined) found.push(own);
      }
    } else if (name.endsWith('.dist-info')) {
      const own = pip(joined(path, 'METADATA'));
      if (own !== undefined) found.push(own);
      continue;
    }
    walk(path, depth + 1, found, check);
  }
}

function readText(path: ByteString): string | undefined {
  let fd: number;
  try {
    fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENXIO')) return undefined;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size > limits.file) return undefined;
    const buffer = Buffer.alloc(stats.size);
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
}

function debs(text: string, source: string): FoundPackage[] {
  return text.split(/\n\n+/).flatMap((block) => {
    const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]?.trim() ?? '';
    const status = field('Status');
    const [name, version] = [field('Package'), field('Version')];
    return name === '' || version === '' || (status !== '' && !status.endsWith(' installed')) ? [] : [{ manager: 'deb' as const, name, version, architecture: field('Architecture'), source, license: '' }];
  });
}

function apks(text: string): FoundPackage[] {
  return text.split(/\n\n+/).flatMap((block) => {
    const field = (letter: string): string => new RegExp(`^${letter}:(.*)$`, 'm').exec(block)?.[1]?.trim() ?? '';
    const [name, version] = [field('P'), field('V')];
    return name === '' || version === '' ? [] : [{ manager: 'apk' as const, name, version, architecture: field('A'), source: '/lib/apk/db/installed', license: field('L') }];
  });
}

function npm(path: ByteString): FoundPackage | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  try {
    const { name, version, license } = JSON.parse(text) as Record<string, unknown>;
    if (typeof name !== 'string' || typeof version !== 'string') return undefined;
    return { manager: 'npm', name, version, architecture: '', source: toText(path), license: typeof license === 'string' ? license : '' };
  } catch {
    return undefined;
  }
}

function pip(path: ByteString): FoundPackage | undefined {
  const text = readText(path) ?? '';
  const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  const [name, version] = [field('Name'), field('Version')];
  return name === '' || version === '' ? undefined : { manager: 'pypi', name, version, architecture: '', source: toText(path), license: field('License') };
}
