import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OCIPlatform } from '#spec/wire/image.ts';
import { familiarName, type Reference } from '#spec/reference.ts';
import { CliError } from '../command/command.ts';

/** One manifest of a list that is being composed, in the form and the place where docker keeps it. */
export interface ListEntry {
  /** `host/path:tag`, familiar. */
  Ref: string;
  Descriptor: { mediaType: string; digest: string; size: number; platform?: OCIPlatform };
  /** Its bytes in base64. */
  Raw: string;
  SchemaV2Manifest?: unknown;
  OCIManifest?: unknown;
}

/** Lists under composition: `manifests/<list>/<manifest>` in the folder of config.json, shared with docker. */
export class ManifestStore {
  readonly #folder: string;

  constructor(configFolder: string) {
    this.#folder = join(configFolder, 'manifests');
  }

  /** By file name; undefined when there is no such list. */
  list(list: Reference): ListEntry[] | undefined {
    const folder = this.#of(list);
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch {
      return undefined;
    }
    return names.filter((name) => !name.startsWith('.')).sort().map((name) => this.#read(join(folder, name)));
  }

  get(list: Reference, manifest: Reference): ListEntry | undefined {
    try {
      return this.#read(join(this.#of(list), fileName(manifest)));
    } catch (error) {
      if (error instanceof CliError) throw error;
      return undefined;
    }
  }

  save(list: Reference, manifest: Reference, entry: ListEntry): void {
    const folder = this.#of(list);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    const path = join(folder, fileName(manifest));
    const temporary = join(folder, `.${process.pid}`);
    writeFileSync(temporary, JSON.stringify(entry), { mode: 0o644 });
    renameSync(temporary, path);
  }

  remove(list: Reference): void {
    rmSync(this.#of(list), { recursive: true, force: true });
  }

  #of(list: Reference): string {
    return join(this.#folder, fileName(list));
  }

  #read(path: string): ListEntry {
    const text = readFileSync(path, 'utf8');
    try {
      const parsed = JSON.parse(text) as Partial<ListEntry>;
      if (typeof parsed.Ref === 'string' && typeof parsed.Raw === 'string' && typeof parsed.Descriptor?.digest === 'string') return parsed as ListEntry;
    } catch {
      // Said below.
    }
    throw new CliError(`${path} is not a manifest of a list: remove it`);
  }
}

/** As docker: slashes are underlines, colons are dashes, the name complete. */
const fileName = ({ domain, path, tag, digest }: Reference): string =>
  `${domain}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`.replaceAll(':', '-').replaceAll('/', '_');

/** Complete, as docker shows names here. */
export const shown = (reference: Reference): string =>
  `${reference.domain}/${reference.path}${reference.tag === undefined ? '' : `:${reference.tag}`}${reference.digest === undefined ? '' : `@${reference.digest}`}`;

export const shownFamiliar = (reference: Reference): string =>
  `${familiarName(reference)}${reference.tag === undefined ? '' : `:${reference.tag}`}${reference.digest === undefined ? '' : `@${reference.digest}`}`;
