import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { EngineError } from '#base/errors.ts';
import { TAR_END, tarHeader, tarPadding, type TarMember } from '#spec/tar/writer.ts';

const candidates = ['/bin/busybox', '/usr/bin/busybox'];

const files: Readonly<Record<string, { mode: number; text: string }>> = {
  'etc/passwd': {
    mode: 0o644,
    text: [
      'root:x:0:0:root:/root:/bin/sh',
      'daemon:x:1:1:daemon:/usr/sbin:/bin/false',
      'bin:x:2:2:bin:/bin:/bin/false',
      'sys:x:3:3:sys:/dev:/bin/false',
      'sync:x:4:100:sync:/bin:/bin/sync',
      'mail:x:8:8:mail:/var/spool/mail:/bin/false',
      'www-data:x:33:33:www-data:/var/www:/bin/false',
      'operator:x:37:37:Operator:/var:/bin/false',
      'nobody:x:65534:65534:nobody:/home:/bin/false',
    ].join('\n'),
  },
  'etc/group': {
    mode: 0o644,
    text: [
      'root:x:0:', 'daemon:x:1:', 'bin:x:2:', 'sys:x:3:', 'adm:x:4:', 'tty:x:5:', 'disk:x:6:', 'lp:x:7:', 'mail:x:8:', 'kmem:x:9:', 'wheel:x:10:root',
      'cdrom:x:11:', 'dialout:x:18:', 'floppy:x:19:', 'video:x:28:', 'audio:x:29:', 'tape:x:32:', 'www-data:x:33:', 'operator:x:37:', 'utmp:x:43:',
      'plugdev:x:46:', 'staff:x:50:', 'lock:x:54:', 'netdev:x:82:', 'users:x:100:', 'nobody:x:65534:',
    ].join('\n'),
  },
  'etc/shadow': { mode: 0o600, text: ['root:*:19000:0:99999:7:::', 'nobody:*:19000:0:99999:7:::'].join('\n') },
  'etc/nsswitch.conf': { mode: 0o644, text: 'passwd: files\ngroup: files\nhosts: files dns' },
};

const folders: Readonly<Record<string, number>> = {
  bin: 0o755, dev: 0o755, etc: 0o755, home: 0o755, root: 0o700, tmp: 0o1777, usr: 0o755, 'usr/bin': 0o755, 'usr/sbin': 0o755, var: 0o755,
  'var/spool': 0o755, 'var/spool/mail': 0o755, 'var/www': 0o755,
};

export interface BusyboxRoot {
  /** As it calls itself: `1.35.0`. */
  version: string;
  /** When the binary was made: the image's time, so that the same binary makes the same image. */
  time: Date;
  tar: Iterable<Buffer>;
}

/** A root file system around the host's static busybox: applets as hard links in /bin, accounts, /tmp. */
export async function busyboxRoot(): Promise<BusyboxRoot> {
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) throw new EngineError('unavailable', 'busybox is not installed on this machine: apt-get install busybox-static');
  const binary = readFileSync(path);
  if (!isStatic(binary)) throw new EngineError('unavailable', `${path} is not a static program: apt-get install busybox-static`);
  const run = promisify(execFile);
  const { stdout: list } = await run(path, ['--list'], { env: {} });
  const { stdout: banner } = await run(path, [], { env: {} });
  const seconds = Math.floor(statSync(path).mtimeMs / 1000);
  const applets = list.split('\n').filter((name) => /^[\w[.+-]+$/.test(name) && name !== 'busybox');
  return { version: /v(\d+(?:\.\d+)+)/.exec(banner)?.[1] ?? 'unknown', time: new Date(seconds * 1000), tar: members(binary, applets, seconds) };
}

function* members(binary: Buffer, applets: readonly string[], seconds: number): Generator<Buffer> {
  const mtime = { seconds, nanos: 0 };
  const file = function* (member: TarMember, content: Buffer): Generator<Buffer> {
    yield tarHeader({ ...member, mtime, size: content.length });
    yield content;
    yield tarPadding(content.length);
  };
  for (const [name, mode] of Object.entries(folders)) yield tarHeader({ name, type: 'dir', mode, mtime });
  yield* file({ name: 'bin/busybox', type: 'file', mode: 0o755 }, binary);
  for (const applet of applets.toSorted()) yield tarHeader({ name: `bin/${applet}`, type: 'link', linkName: 'bin/busybox', mode: 0o755, mtime });
  yield tarHeader({ name: 'usr/bin/env', type: 'symlink', linkName: '../../bin/env', mode: 0o777, mtime });
  for (const [name, { mode, text }] of Object.entries(files)) yield* file({ name, type: 'file', mode }, Buffer.from(`${text}\n`));
  yield TAR_END;
}

/** A 64-bit little-endian ELF program without an interpreter. */
function isStatic(binary: Buffer): boolean {
  if (binary.toString('latin1', 0, 4) !== '\x7fELF' || binary[4] !== 2 || binary[5] !== 1) return false;
  const offset = Number(binary.readBigUInt64LE(32));
  const size = binary.readUInt16LE(54);
  const count = binary.readUInt16LE(56);
  const interpreter = 3;
  return Array.from({ length: count }, (_, index) => binary.readUInt32LE(offset + index * size)).every((type) => type !== interpreter);
}
