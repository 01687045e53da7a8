import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { lgetxattr, llistxattr } from '#host/kernel.ts';

/** Everything that a tree says about itself, one line a name: two trees are the same when these are. */
export function listTree(root: string): string[] {
  const lines: string[] = [];
  const links = new Map<bigint, string>();
  const visit = (name: string): void => {
    const path = join(root, name);
    const stats = lstatSync(path, { bigint: true });
    const parts = [name === '' ? '.' : name, (stats.mode & 0o177777n).toString(8), `${stats.uid}:${stats.gid}`];
    if (stats.isFile()) parts.push(String(stats.size), createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16));
    if (stats.isSymbolicLink()) parts.push(readlinkSync(path));
    if (stats.isCharacterDevice() || stats.isBlockDevice()) parts.push(String(stats.rdev));
    if (name !== '' && !stats.isDirectory()) {
      parts.push(String(stats.mtimeNs / 1_000_000_000n));
      if (stats.nlink > 1n) {
        const first = links.get(stats.ino) ?? name;
        links.set(stats.ino, first);
        parts.push(`=${first}`);
      }
    }
    for (const attribute of llistxattr(path).filter((item) => item === 'security.capability' || (item.startsWith('user.') && !item.startsWith('user.overlay'))).sort()) {
      parts.push(`${attribute}=${lgetxattr(path, attribute)?.toString('hex') ?? ''}`);
    }
    lines.push(parts.join(' '));
    if (stats.isDirectory()) for (const child of readdirSync(path).sort()) visit(join(name, child));
  };
  visit('');
  return lines.slice(1);
}
