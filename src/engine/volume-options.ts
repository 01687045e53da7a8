/** The `local` driver's options: `type`, `device` and `o`, as for mount(8). */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { invalid } from '#base/errors.ts';
import { MS } from '#host/kernel.ts';

export interface LocalMount {
  source: string;
  type: string;
  flags: number;
  data: string;
}

const known = new Set(['type', 'device', 'o', 'size']);

/** Throws invalid_argument in Docker's words. */
export function checkLocalOptions(options: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(options)) {
    if (!known.has(key)) throw invalid(`invalid option: "${key}"`);
  }
  if (options['size'] !== undefined) throw invalid('quota size requested but no quota support');
  if (Object.keys(options).length === 0) return;
  if (!options['device']) throw invalid('missing required option: "device"');
  const type = options['type'] ?? '';
  const bind = flagsOf(options['o'] ?? '').flags & MS.BIND;
  if (type === '' && !bind) throw invalid('missing required option: "type"');
}

const flagNames: Record<string, number> = {
  bind: MS.BIND, rbind: MS.BIND | MS.REC, ro: MS.RDONLY, nosuid: MS.NOSUID, nodev: MS.NODEV, noexec: MS.NOEXEC, noatime: MS.NOATIME,
  relatime: MS.RELATIME, strictatime: MS.STRICTATIME, sync: 0x10, dirsync: 0x80, mand: 0x40, nodiratime: 0x800,
};
/** Options that only say the default again. */
const neutral = new Set(['defaults', 'rw', 'suid', 'dev', 'exec', 'async', 'atime', 'diratime', 'nomand', '']);

function flagsOf(text: string): { flags: number; data: string[] } {
  let flags = 0;
  const data: string[] = [];
  for (const word of text.split(',')) {
    const flag = flagNames[word];
    if (flag !== undefined) flags |= flag;
    else if (!neutral.has(word)) data.push(word);
  }
  return { flags, data };
}

/** The arguments of mount(2) for a volume with options. A server's name in `addr=` is resolved, as the kernel takes addresses only. */
export async function localMount(options: Readonly<Record<string, string>>): Promise<LocalMount> {
  const { flags, data } = flagsOf(options['o'] ?? '');
  const type = options['type'] ?? '';
  if (type.startsWith('nfs') || type === 'cifs') {
    for (const [index, word] of data.entries()) {
      const host = /^addr=(.+)$/.exec(word)?.[1];
      if (host !== undefined && isIP(host) === 0) data[index] = `addr=${(await lookup(host)).address}`;
    }
  }
  return { source: options['device'] ?? '', type: type === '' ? 'none' : type, flags, data: data.join(',') };
}
