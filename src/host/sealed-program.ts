/**
 * crun protects its file from the containers it enters (CVE-2019-5736) by running from a sealed copy in memory; started from
 * its file it makes that copy and starts anew, which doubles its start. A copy that is sealed already serves every start.
 */
import { closeSync, readFileSync, statSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { bind, check } from './libc.ts';

const [CLOEXEC, ALLOW_SEALING, EXEC] = [1, 2, 0x10];
const F_ADD_SEALS = 1033;
/** No seal may be taken off or added, nothing cut, grown or written. */
const ALL_SEALS = 1 | 2 | 4 | 8;

const c = {
  memfdCreate: bind('int memfd_create(const char *name, unsigned int flags)'),
  fcntl: bind('int fcntl(int fd, int command, ...)'),
};

interface Copy {
  identity: string;
  fd: number;
}

const copies = new Map<string, Copy>();

/**
 * A path by which any process of this user starts the runtime while this process lives: of crun a sealed copy (made anew
 * when the file was replaced), of others, and where the kernel cannot seal, the file itself. Not for a monitor, which has to
 * start the runtime also when this process has just died.
 */
export function startablePath(path: string): string {
  if (basename(path) !== 'crun') return path;
  const { dev, ino, size, mtimeMs } = statSync(path);
  const identity = `${dev} ${ino} ${size} ${mtimeMs}`;
  const known = copies.get(path);
  if (known?.identity === identity) return pathOf(known.fd);
  const fd = copyOf(path);
  if (fd === undefined) return path;
  if (known !== undefined) closeSync(known.fd);
  copies.set(path, { identity, fd });
  return pathOf(fd);
}

const pathOf = (fd: number): string => `/proc/${process.pid}/fd/${fd}`;

function copyOf(path: string): number | undefined {
  const content = readFileSync(path);
  const fd = create(CLOEXEC | ALLOW_SEALING | EXEC) ?? create(CLOEXEC | ALLOW_SEALING);
  if (fd === undefined) return undefined;
  try {
    for (let done = 0; done < content.length; ) done += writeSync(fd, content, done);
    check(c.fcntl(fd, F_ADD_SEALS, 'int', ALL_SEALS), 'fcntl');
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Undefined on a kernel without it, or one that does not know a flag. */
function create(flags: number): number | undefined {
  const fd = Number(c.memfdCreate('crun', flags));
  return fd < 0 ? undefined : fd;
}
