import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { readText, type CgroupHierarchies } from './cgroup.ts';
import { spawnCollect } from './process.ts';

/** An OCI runtime that is installed. */
export interface RuntimeProgram {
  name: string;
  path: string;
  /** What it calls itself, e.g. `1.8.1`; empty when it does not say. */
  version: string;
  commit: string;
}

/** The first executable of this name in PATH or the folders where system programs live; undefined when there is none. */
export function findProgram(name: string, path = process.env['PATH'] ?? ''): string | undefined {
  const folders = new Set([...path.split(':').filter((folder) => folder.startsWith('/')), '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']);
  for (const folder of folders) {
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}

/** The runtimes that are there, in order of preference. */
export async function findRuntimes(names: readonly string[] = ['crun', 'runc']): Promise<RuntimeProgram[]> {
  const found = await Promise.all(
    names.map(async (name) => {
      const path = findProgram(name);
      return path === undefined ? undefined : { name, path, ...(await runtimeVersion(path)) };
    }),
  );
  return found.filter((program) => program !== undefined);
}

/** Version and commit as `<program> --version` prints them; empty when it hangs or fails. */
export async function runtimeVersion(path: string): Promise<{ version: string; commit: string }> {
  try {
    return parseVersion((await spawnCollect(path, ['--version'], { deadline: 5000 })).stdout.toString());
  } catch {
    return { version: '', commit: '' };
  }
}

export function parseVersion(text: string): { version: string; commit: string } {
  return {
    version: /version (\S+)/.exec(text)?.[1] ?? '',
    commit: /^commit: (\S+)/m.exec(text)?.[1] ?? '',
  };
}

/**
 * Why crun cannot work on this host, in a sentence, or undefined when it can: it refuses v1 hierarchies while v2 still has
 * controllers. `prepareCgroups` mends that where it may; without it runc serves.
 */
export function crunObstacle({ version, unified }: CgroupHierarchies): string | undefined {
  if (version === 2 || unified === undefined) return undefined;
  const left = readText(join(unified, 'cgroup.controllers'))?.trim() ?? '';
  return left === '' ? undefined : `crun refuses cgroups in hybrid mode: the controllers ${left} are not mounted as version 1`;
}
