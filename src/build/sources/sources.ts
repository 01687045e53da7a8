import { EngineError, invalid, notImplemented } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import type { Platform } from '#spec/oci-image.ts';
import type { SentContext } from '../context/contexts.ts';
import type { SourceOp, Vertex, VertexDigest } from '../graph/vertex.ts';
import { renderPlatform } from '#image/platform.ts';
import type { Material } from '../attest/provenance.ts';
import { digest } from '../solver/keys.ts';
import type { PinnedSource } from '../solver/solver.ts';
import type { BaseImages, FoundImage, ImageWish } from './images.ts';

export interface SourcesOptions {
  images: BaseImages;
  /** What the client sent, by name. */
  contexts: ReadonlyMap<string, SentContext>;
  wish: Omit<ImageWish, 'platform'>;
  platform: Platform;
  /** For schemes beyond images and contexts. */
  remote?: { pin(op: SourceOp, vertex: Vertex, signal: AbortSignal): Promise<PinnedSource> | undefined };
}

/** The sources of one build. An image that was found once stays what it was until the build ends. */
export class BuildSources {
  readonly #options: SourcesOptions;
  readonly #images = new Map<string, Promise<FoundImage>>();
  readonly #materials = new Map<string, Material>();
  readonly #ids = new Map<VertexDigest, Digest>();

  constructor(options: SourcesOptions) {
    this.#options = options;
  }

  image(reference: string, platform: Platform, mode: ImageWish['mode']): Promise<FoundImage> {
    const key = digest([reference, platform.os, platform.architecture, platform.variant, mode]);
    let found = this.#images.get(key);
    if (found === undefined) {
      found = this.#options.images.find(reference, { ...this.#options.wish, platform, mode });
      found.catch(() => {});
      this.#images.set(key, found);
    }
    return found;
  }

  /** The image that a source vertex turned out to be. */
  idOf(vertex: VertexDigest): Digest | undefined {
    return this.#ids.get(vertex);
  }

  /** What was taken from elsewhere, in the order it was asked for. */
  materials(): Material[] {
    return [...this.#materials.values()];
  }

  async pin(op: SourceOp, vertex: Vertex, signal: AbortSignal): Promise<PinnedSource> {
    const cut = op.identifier.indexOf('://');
    const [scheme, rest] = [op.identifier.slice(0, cut), op.identifier.slice(cut + 3)];
    if (scheme === 'local') return this.#local(rest);
    if (scheme === 'docker-image') return this.#image(rest, op, vertex);
    const remote = this.#options.remote?.pin(op, vertex, signal);
    if (remote !== undefined) {
      const pinned = await remote;
      this.#materials.set(op.identifier, { uri: op.identifier, digest: pinned.version });
      return pinned;
    }
    throw notImplemented(`sources of the kind ${JSON.stringify(scheme)} are not there yet`);
  }

  #local(name: string): PinnedSource {
    const context = this.#options.contexts.get(name);
    if (context === undefined) throw invalid(`the build needs files of ${JSON.stringify(name)}, which the client did not send`);
    return { key: `local ${context.content}`, tree: [context.layer], content: `${context.layer} ${context.content}`, memo: context.memo };
  }

  async #image(reference: string, { attributes }: SourceOp, vertex: Vertex): Promise<PinnedSource> {
    const mode = attributes['image.resolvemode'];
    const found = await this.image(reference, vertex.platform ?? this.#options.platform, mode === 'pull' || mode === 'local' ? mode : this.#options.wish.mode);
    this.#ids.set(vertex.digest, found.id);
    const uri = `pkg:docker/${reference.replace(/@sha256:.*$/, '').replace(/^docker\.io\/(?:library\/)?/, '').replace(/:([^:/]+)$/, '@$1')}?platform=${encodeURIComponent(renderPlatform(vertex.platform ?? this.#options.platform))}`;
    this.#materials.set(uri, { uri, digest: found.digest ?? found.id });
    const key = `image ${JSON.stringify(found.config.rootfs.diff_ids)}`;
    if (found.chains !== undefined) return { key, tree: [...found.chains] };
    return {
      key,
      tree: undefined,
      load: async (tell, signal) => {
        const chains = await found.load(tell, signal);
        if (chains.length !== found.config.rootfs.diff_ids.length) throw new EngineError('internal', `${reference} came with ${chains.length} layers instead of ${found.config.rootfs.diff_ids.length}`);
        return [...chains];
      },
    };
  }
}
