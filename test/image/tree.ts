import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { lgetxattr, llistxattr } from '#host/kernel.ts';

/** Everything that a tree says about itself, one line a name (bytes as latin-1): two trees are the same when these are. */
export function listTree(root: string): string[] {
  const lines: string[] = [];
  const links = new Map<bigint, string>();
  const visit = (name: string): void => {
    const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')]);
    const stats = lstatSync(path, { bigint: true });
    const parts = [name === '' ? '.' : name, (stats.mode & 0o177777n).toString(8), `${stats.uid}:${stats.gid}`];
    if (stats.isFile()) parts.push(String(stats.size), createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16));
    if (stats.isSymbolicLink()) parts.push(readlinkSync(path, 'latin1'));
    if (stats.isCharacterDevice() || stats.isBlockDevice()) parts.push(String(stats.rdev));
    if (name !== '' && !stats.isDirectory()) {
      parts.push(String(stats.mtimeNs / 1_000_000_000n));
      if (stats.nlink > 1n) {
        const first = links.get(stats.ino) ?? name;
        links.set(stats.ino, first);
        parts.push(`=${first}`);
      }
    }
    const text = path.toString();
    if (Buffer.from(text).equals(path)) {
      for (const attribute of llistxattr(text).filter((item) => item === 'security.capability' || (item.startsWith('user.') && !item.startsWith('user.overlay'))).sort()) {
        parts.push(`${attribute}=${lgetxattr(text, attribute)?.toString('hex') ?? ''}`);
      }
    }
    lines.push(parts.join(' '));
    if (stats.isDirectory()) for (const child of readdirSync(path, 'latin1' as BufferEncoding).sort()) visit(name === '' ? child : `${name}/${child}`);
  };
  visit('');
  return lines.slice(1);
}
