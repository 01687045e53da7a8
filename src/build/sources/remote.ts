import { invalid } from '#base/errors.ts';
import { parseGitReference } from '#spec/git-reference.ts';
import type { SourceOp, Vertex } from '../graph/vertex.ts';
import type { BuildLayers } from '../cache/layers.ts';
import { contextFromTar, type SentContext } from '../context/contexts.ts';
import type { PinnedSource } from '../solver/solver.ts';
import type { Jail } from '#host/jail.ts';
import type { GitSources } from './git.ts';
import { request, type HttpSources } from './http.ts';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';

/** Sources that the engine fetches itself. */
export class RemoteSources {
  readonly #git: GitSources;
  readonly #http: HttpSources;
  readonly #layers: BuildLayers;
  readonly #jail: Jail;

  constructor(options: { git: GitSources; http: HttpSources; layers: BuildLayers; jail: Jail }) {
    this.#git = options.git;
    this.#http = options.http;
    this.#layers = options.layers;
    this.#jail = options.jail;
  }

  /** Undefined for schemes that are others' affair. */
  pin(op: SourceOp, _vertex: Vertex, signal: AbortSignal): Promise<PinnedSource> | undefined {
    const { identifier, attributes } = op;
    if (identifier.startsWith('git://')) {
      const fragment = identifier.includes('#') ? identifier.slice(identifier.indexOf('#') + 1) : '';
      const colon = fragment.indexOf(':');
      return this.#git.pin(
        {
          url: attributes['git.fullurl'] ?? `https://${identifier.slice('git://'.length).replace(/#.*$/, '')}`,
          ref: colon < 0 ? fragment : fragment.slice(0, colon),
          subdirectory: colon < 0 ? '' : fragment.slice(colon + 1),
          keepGitDir: attributes['git.keepgitdir'] === 'true',
          checksum: attributes['git.checksum'] ?? '',
        },
        signal,
      );
    }
    if (/^https?:\/\//.test(identifier)) return this.#http.pin(op, signal);
    return undefined;
  }

  /** A context by its address: a repository, a tar, or a single Dockerfile (then it is called `Dockerfile`). */
  async context(address: string, signal: AbortSignal): Promise<SentContext> {
    const git = parseGitReference(address);
    if (git !== undefined) {
      const source = { url: git.remote, ref: git.ref, subdirectory: git.subdirectory, keepGitDir: git.keepGitDir === true, checksum: git.checksum };
      const pinned = await this.#git.pin(source, signal);
      const tree = pinned.tree ?? (await pinned.load?.(() => {}, signal)) ?? [];
      const layer = tree[0];
      if (layer === undefined) throw invalid(`${address} is empty`);
      const held = this.#layers.protect(tree);
      return { layer, folder: this.#layers.folder(layer), content: pinned.key, [Symbol.dispose]: () => held[Symbol.dispose]() };
    }
    if (!/^https?:\/\//.test(address)) throw invalid(`unable to prepare context: ${JSON.stringify(address)} is neither a repository nor an address`);
    const response = await request(address, signal);
    const body = Buffer.from(await response.arrayBuffer());
    const tar = isArchive(body) ? [body] : [tarHeader({ name: 'Dockerfile', type: 'file', mode: 0o644, size: body.length }), body, tarPadding(body.length), TAR_END];
    const context = await contextFromTar((async function* () {
      yield* tar;
    })(), { layers: this.#layers, jail: this.#jail });
    return tar.length === 1 ? context : { ...context, dockerfile: 'Dockerfile' };
  }
}

function isArchive(body: Buffer): boolean {
  const gzip = body[0] === 0x1f && body[1] === 0x8b;
  const zstd = body.length >= 4 && body.readUInt32LE(0) === 0xfd2fb528;
  return gzip || zstd || body.toString('latin1', 257, 262) === 'ustar';
}
