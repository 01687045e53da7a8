import { lstatSync, readlinkSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { invalid, isErrno } from '#base/errors.ts';
import { toText } from '#spec/tar/header.ts';
import type { ByteString } from '#spec/tar/header.ts';
import { fsPath } from './syscalls.ts';

/**
 * The absolute path without symlinks that `path` stands for in the thread's root. Parts that do not exist are kept as
 * they are. For display and naming only: whoever opens the result is again in the kernel's hands.
 */
export function resolvePath(path: ByteString): ByteString {
  const todo = path.split('/').reverse();
  const done: ByteString[] = [];
  for (let hops = 0; todo.length > 0; ) {
    const part = todo.pop();
    if (part === undefined || part === '' || part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const target = linkAt(`/${[...done, part].join('/')}`);
    if (target === undefined) done.push(part);
    else {
      if (++hops > 255) throw invalid(`too many levels of symbolic links in ${JSON.stringify(toText(path))}`);
      if (target.startsWith('/')) done.length = 0;
      todo.push(...target.split('/').reverse());
    }
  }
  return `/${done.join('/')}`;
}

function linkAt(path: ByteString): ByteString | undefined {
  try {
    return (readlinkSync(fsPath(path), 'buffer') as Buffer).toString('latin1');
  } catch (error) {
    if (isErrno(error, 'EINVAL', 'ENOENT', 'ENOTDIR', 'EACCES', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

/** Like lstat; undefined when there is nothing. */
export function look(path: ByteString): BigIntStats | undefined {
  try {
    return lstatSync(fsPath(path), { bigint: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}
