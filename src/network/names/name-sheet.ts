import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '#base/errors.ts';

/**
 * What the resolver must know of one sandbox: who asks, what it may know and how others know it. One file each, so that a
 * resolver knows everything again after its end, with or without an engine.
 */
export interface NameSheet {
  version: 1;
  /** The sandbox's. */
  id: string;
  netnsPath: string;
  /** On networks with names, in the order in which they are asked. */
  endpoints: NamedEndpoint[];
  /** Who is asked for other names: the host's servers, or these, asked from within the sandbox. */
  servers: 'host' | string[];
  /** False where no packet leaves the sandbox's networks: a question must not leave them either. */
  forwards: boolean;
  /** Names without a dot wait for a search domain: the container's own `ndots`. */
  dotless: 'forward' | 'keep';
}

export interface NamedEndpoint {
  network: string;
  networkName: string;
  addresses: string[];
  /** The container's name first; the address is called by it. */
  names: string[];
  /** Names that this sandbox alone knows for others: `--link target:alias`. */
  links: { alias: string; target: string }[];
}

/** The folder of sheets. Engines write, resolvers read. */
export class SheetFolder {
  readonly #folder: string;

  constructor(run: string) {
    this.#folder = join(run, 'names');
  }

  /** Written beside and renamed: a reader sees the former or the new one whole. */
  write(sheet: NameSheet): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = this.#path(sheet.id);
    const text = JSON.stringify(sheet);
    if (readText(path) === text) return;
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  remove(id: string): void {
    rmSync(this.#path(id), { force: true });
  }

  read(id: string): NameSheet | undefined {
    const text = readText(this.#path(id));
    return text === undefined ? undefined : (JSON.parse(text) as NameSheet);
  }

  ids(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => !name.endsWith('.new'));
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  #path(id: string): string {
    return join(this.#folder, id);
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
