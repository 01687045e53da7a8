import { createHash } from 'node:crypto';
import { EngineError, invalid, messageOf } from '#base/errors.ts';
import type { Jail } from '#host/jail.ts';
import type { SourceOp } from '../graph/vertex.ts';
import type { BuildLayers } from '../cache/layers.ts';
import type { CacheRecords } from '../cache/records.ts';
import { digest } from '../solver/keys.ts';
import type { PinnedSource } from '../solver/solver.ts';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';
import { fromText } from '#spec/tar/header.ts';

const MAX_SIZE = 16 * 2 ** 30;
const BUFFERED = 64 << 20;

/** Files by address. What was fetched is asked for again, and its content decides whether anything changed. */
export class HttpSources {
  readonly #layers: BuildLayers;
  readonly #records: CacheRecords;
  readonly #jail: Jail;

  constructor(options: { layers: BuildLayers; records: CacheRecords; jail: Jail }) {
    this.#layers = options.layers;
    this.#records = options.records;
    this.#jail = options.jail;
  }

  async pin({ identifier, attributes }: SourceOp, signal: AbortSignal): Promise<PinnedSource> {
    const name = attributes['http.filename'] || nameOf(identifier);
    const mode = Number.parseInt(attributes['http.perm'] ?? '600', 8);
    const owner = { uid: Number(attributes['http.uid'] ?? 0), gid: Number(attributes['http.gid'] ?? 0) };
    const expected = attributes['http.checksum'] ?? '';
    const keyFor = (content: string, time: number): string => digest(['http', content, name, mode, owner.uid, owner.gid, time]);
    if (expected !== '') {
      const known = this.#records.get(keyFor(expected, 0));
      if (known !== undefined) {
        this.#records.used(known);
        return { key: known.key, tree: known.trees[0], version: expected };
      }
    }
    const { layer, content, time } = await this.#fetch(identifier, { name, mode, owner }, expected, signal);
    // With a checksum given the file's time matters to nobody.
    const key = keyFor(content, expected === '' ? time : 0);
    const same = this.#records.get(key);
    if (same?.trees[0] !== undefined) return { key, tree: same.trees[0], version: content };
    using _held = this.#layers.protect([layer]);
    this.#records.put({ key, definition: key, trees: [[layer]], kind: 'regular', description: `http source ${identifier.replace(/\?.*$/, '')}`, parents: [] });
    return { key, tree: [layer], version: content };
  }

  async #fetch(url: string, file: { name: string; mode: number; owner: { uid: number; gid: number } }, expected: string, signal: AbortSignal): Promise<{ layer: string; content: string; time: number }> {
    const response = await request(url, signal);
    const layer = this.#layers.create();
    try {
      const hash = createHash('sha256');
      const mtime = Date.parse(response.headers.get('last-modified') ?? '');
      const seconds = Number.isNaN(mtime) ? 0 : Math.floor(mtime / 1000);
      const body = await whole(response, url);
      hash.update(body);
      const content = `sha256:${hash.digest('hex')}`;
      if (expected !== '' && expected !== content) throw invalid(`digest mismatch ${content}: ${expected}`);
      const header = tarHeader({
        name: fromText(file.name), type: 'file', mode: file.mode, size: body.length, uid: file.owner.uid, gid: file.owner.gid,
        mtime: { seconds, nanos: 0 },
      });
      await this.#jail.run<'unpack'>(
        {
          kind: 'unpack', root: { kind: 'folder', path: layer.upper }, folder: '/', source: { kind: 'stream' }, whiteouts: 'keep', noOverwriteDirNonDir: false, owner: undefined,
          keep: undefined, limits: { inflated: MAX_SIZE, entries: 10 },
        },
        (async function* () {
          yield header;
          yield body;
          yield tarPadding(body.length);
          yield TAR_END;
        })(),
      );
      await this.#layers.seal(layer);
      return { layer: layer.id, content, time: seconds };
    } catch (error) {
      await this.#layers.discard(layer);
      throw error;
    }
  }
}

/** Throws in Docker's words for what is not there. */
export async function request(url: string, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { signal, redirect: 'follow' });
  } catch (error) {
    signal.throwIfAborted();
    throw new EngineError('unavailable', `cannot fetch ${url}: ${messageOf((error as Error).cause ?? error)}`, { cause: error });
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw invalid(`invalid response status ${response.status} for ${url}`);
  }
  return response;
}

async function whole(response: Response, url: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > 16 * BUFFERED) throw invalid(`${url} is larger than ${16 * BUFFERED} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function nameOf(url: string): string {
  return new URL(url).pathname.split('/').at(-1) || 'download';
}
