import { invalid } from '#base/errors.ts';
import { BLOCK, toText } from './header.ts';
import type { TarEntry, TarType } from './header.ts';

const flags: Readonly<Record<TarType, string>> = { file: '0', link: '1', symlink: '2', char: '3', block: '4', dir: '5', fifo: '6' };

/** What a written member says; everything left out is zero or empty. */
export type TarMember = Pick<TarEntry, 'name' | 'type' | 'mode'> & Partial<Omit<TarEntry, 'name' | 'type' | 'mode' | 'sparse'>>;

/** Two zero blocks: the end of an archive. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

/** Zeros that fill a member's data up to the next block. */
export function tarPadding(size: number): Buffer {
  return TAR_END.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK);
}

/**
 * The header of a member, with a PAX header before it when ustar cannot say it all (long or non-ASCII names, large ids or
 * sizes, fractions of seconds, xattrs). The same member always gives the same bytes.
 */
export function tarHeader(member: TarMember): Buffer {
  const name = member.type === 'dir' && !member.name.endsWith('/') ? `${member.name}/` : member.name;
  const linkName = member.linkName ?? '';
  const size = member.type === 'file' ? (member.size ?? 0) : 0;
  const seconds = member.mtime?.seconds ?? 0;
  const nanos = member.mtime?.nanos ?? 0;
  const [uid, gid] = [member.uid ?? 0, member.gid ?? 0];
  const split = splitName(name);
  const pax: Buffer[] = [];
  if (split === undefined) pax.push(record('path', Buffer.from(name, 'latin1')));
  if (linkName.length > 100 || !isAscii(linkName)) pax.push(record('linkpath', Buffer.from(linkName, 'latin1')));
  if (size > 0o77777777777) pax.push(record('size', Buffer.from(String(size))));
  if (uid > 0o7777777) pax.push(record('uid', Buffer.from(String(uid))));
  if (gid > 0o7777777) pax.push(record('gid', Buffer.from(String(gid))));
  if (nanos !== 0 || seconds < 0 || seconds > 0o77777777777) pax.push(record('mtime', Buffer.from(paxTime(seconds, nanos))));
  for (const [key, value] of [...(member.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
    pax.push(record(`SCHILY.xattr.${key}`, Buffer.from(value)));
  }
  const plain = block({
    name: split?.name ?? name.slice(0, 100),
    prefix: split?.prefix ?? '',
    flag: flags[member.type],
    mode: member.mode & 0o7777,
    uid: fit(uid, 0o7777777),
    gid: fit(gid, 0o7777777),
    size: fit(size, 0o77777777777),
    seconds: fit(seconds, 0o77777777777),
    linkName: linkName.slice(0, 100),
    major: member.major ?? 0,
    minor: member.minor ?? 0,
  });
  if (pax.length === 0) return plain;
  const body = Buffer.concat(pax);
  const extension = block({
    name: 'PaxHeaders.0/header', prefix: '', flag: 'x', mode: 0o644, uid: 0, gid: 0, size: body.length, seconds: 0, linkName: '', major: 0, minor: 0,
  });
  return Buffer.concat([extension, body, tarPadding(body.length), plain]);
}

const isAscii = (text: string): boolean => !/[^\x20-\x7e]/.test(text);
const fit = (value: number, most: number): number => (value < 0 || value > most ? 0 : value);

/** ustar's name (100) and prefix (155), or undefined when they cannot hold it. */
function splitName(name: string): { name: string; prefix: string } | undefined {
  if (!isAscii(name)) return undefined;
  if (name.length <= 100) return { name, prefix: '' };
  if (name.length > 256) return undefined;
  const cut = name.indexOf('/', name.length - 101);
  return cut <= 0 || cut > 155 || cut === name.length - 1 ? undefined : { name: name.slice(cut + 1), prefix: name.slice(0, cut) };
}

function paxTime(seconds: number, nanos: number): string {
  if (nanos === 0) return String(seconds);
  const fraction = (value: number): string => value.toString().padStart(9, '0').replace(/0+$/, '');
  return seconds < 0 ? `-${-seconds - 1}.${fraction(1_000_000_000 - nanos)}` : `${seconds}.${fraction(nanos)}`;
}

/** `<length> key=value\n`, where the length counts its own digits. */
function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

interface UstarFields {
  name: string;
  prefix: string;
  flag: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  seconds: number;
  linkName: string;
  major: number;
  minor: number;
}

function block(fields: UstarFields): Buffer {
  if (fields.major > 0o7777777 || fields.minor > 0o7777777) {
    throw invalid(`${JSON.stringify(toText(fields.name))} has a device number too large for a tar`);
  }
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
  };
  header.write(fields.name, 0, 100, 'latin1');
  octal(fields.mode, 100, 8);
  octal(fields.uid, 108, 8);
  octal(fields.gid, 116, 8);
  octal(fields.size, 124, 12);
  octal(fields.seconds, 136, 12);
  header.write(fields.flag, 156, 'latin1');
  header.write(fields.linkName, 157, 100, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  octal(fields.major, 329, 8);
  octal(fields.minor, 337, 8);
  header.write(fields.prefix, 345, 155, 'latin1');
  let sum = 8 * 32;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}
