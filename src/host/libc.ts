import { createRequire } from 'node:module';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import type * as Koffi from 'koffi';

export type NativeFunction = (...args: unknown[]) => unknown;

let loaded: { koffi: typeof Koffi; self: Koffi.LibraryHandle } | undefined;

/** koffi itself, loaded at the first native call, so that code which makes none needs no native module. */
export function nativeInterface(): typeof Koffi {
  return library().koffi;
}

function library(): { koffi: typeof Koffi; self: Koffi.LibraryHandle } {
  if (loaded === undefined) {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    // The process's own symbols include its C library, whichever that is.
    loaded = { koffi, self: koffi.load(null) };
  }
  return loaded;
}

/** A C function of the C library by its prototype, bound at its first call. */
export function bind(prototype: string): NativeFunction {
  let bound: NativeFunction | undefined;
  return (...args) => {
    bound ??= library().self.func(prototype) as NativeFunction;
    return bound(...args);
  };
}

/** An error like Node's own: `code` 'ENOENT', `errno` negative, `syscall`, `path`. */
export function errnoError(errno: number, syscall: string, path?: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno);
  const error: NodeJS.ErrnoException = new Error(
    `${code}: ${getSystemErrorMessage(-errno)}, ${syscall}${path === undefined ? '' : ` '${path}'`}`,
  );
  error.errno = -errno;
  error.code = code;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  return error;
}

/** The calling thread's errno of the last native call. */
export function lastErrno(): number {
  return library().koffi.errno();
}

/** Turns a C return value into a number, or throws the errno when it is negative. */
export function check(result: unknown, syscall: string, path?: string): number {
  const value = Number(result);
  if (value < 0) throw errnoError(lastErrno(), syscall, path);
  return value;
}
