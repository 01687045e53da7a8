import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { invalid, isErrno, messageOf } from '#base/errors.ts';

/** What TLS with one registry goes by. */
export interface HostCertificates {
  /** Undefined: the machine's roots. */
  ca: string[] | undefined;
  cert: string | undefined;
  key: string | undefined;
}

/**
 * Docker's `certs.d`: `<folder>/<host:port>/` with `*.crt` (roots, beside the machine's own) and pairs of `*.cert` and `*.key`.
 * The first folder that knows the host counts. Read anew for every connection pool, so that a new file works at once.
 */
export function readHostCertificates(folders: readonly string[], host: string): HostCertificates {
  for (const folder of folders) {
    const place = join(folder, host);
    const names = list(place);
    if (names !== undefined) return read(place, names);
  }
  return { ca: undefined, cert: undefined, key: undefined };
}

function list(folder: string): string[] | undefined {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}

function read(folder: string, names: readonly string[]): HostCertificates {
  const text = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8');
    } catch (error) {
      throw invalid(`${join(folder, name)} cannot be read: ${messageOf(error)}`, { cause: error });
    }
  };
  const own = names.filter((name) => name.endsWith('.crt')).map(text);
  let pair: { cert: string; key: string } | undefined;
  for (const name of names) {
    if (name.endsWith('.cert')) {
      const key = `${name.slice(0, -5)}.key`;
      if (!names.includes(key)) throw invalid(`missing key ${key} for client certificate ${name}. CA certificates must use the extension .crt`);
      pair ??= { cert: text(name), key: text(key) };
    } else if (name.endsWith('.key') && !names.includes(`${name.slice(0, -4)}.cert`)) {
      throw invalid(`missing client certificate ${name.slice(0, -4)}.cert for key ${name}`);
    }
  }
  return { ca: own.length === 0 ? undefined : [...machineRoots(), ...own], cert: pair?.cert, key: pair?.key };
}

let roots: string[] | undefined;

/** The distribution's certificates, else those that came with Node. */
export function machineRoots(): string[] {
  if (roots === undefined) {
    const system = getCACertificates('system');
    roots = system.length > 0 ? system : getCACertificates('bundled');
  }
  return roots;
}
