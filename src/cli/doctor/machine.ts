import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import type { Machine } from './check.ts';

/** The machine we are on. */
export function thisMachine(): Machine {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'].filter((folder) => folder !== '');
  return {
    user: process.geteuid?.() ?? 0,
    userName: nameOfUser(),
    env: process.env,
    read: (path) => {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return undefined;
      }
    },
    exists: existsSync,
    usable: (path) => {
      try {
        accessSync(path, constants.R_OK | constants.W_OK);
        return true;
      } catch {
        return false;
      }
    },
    program: (name) => (name.startsWith('/') ? [name] : folders.map((folder) => join(folder, name))).find((path) => existsSync(path)),
    run: (file, args) => {
      const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8', timeout: 10_000 });
      return { code: error ? undefined : (status ?? undefined), said: `${stdout ?? ''}${stderr ?? ''}`.trim() || (error?.message ?? '') };
    },
    freeBytes: (path) => {
      for (let at = path; ; at = dirname(at)) {
        try {
          const { bavail, bsize } = statfsSync(at);
          return bavail * bsize;
        } catch {
          if (at === '/' || at === '.') return undefined;
        }
      }
    },
  };
}

function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.() ?? 0);
  }
}
