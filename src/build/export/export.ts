import { EngineError, invalid } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { renderConfig } from '#image/configuration.ts';
import { nameImage } from '#image/context.ts';
import { familiar } from '#image/image-store.ts';
import { renderPlatform } from '#image/platform.ts';
import type { Images } from '#image/images.ts';
import type { NativeOutput } from '#spec/wire/native-build.ts';
import type { RegistryCredentials } from '#spec/wire/registry.ts';
import type { Builder, Built } from '../builder.ts';
import type { Tree } from '../tree.ts';
import { digestOfSet, storeImages, type ImageSet, type ImageSetRequest } from './image-set.ts';
import { tagNames } from './names.ts';
import { treeTar } from './tree-tar.ts';

export interface ExportRequest extends Omit<ImageSetRequest, 'rewriteTimestamps'> {
  outputs: readonly NativeOutput[];
  tags: readonly string[];
  credentials: (reference: string) => RegistryCredentials | undefined;
}

/** How bytes reach who asked for them; resolves when they are taken. */
export type Deliver = (index: number, tar: AsyncIterable<Uint8Array>) => Promise<void>;

export interface Exported {
  imageId: Digest | undefined;
  metadata: Record<string, unknown>;
}

/** All results of a build. Without an output the image goes to the store. */
export async function exportBuild(builder: Builder, images: Images, built: Built, request: ExportRequest, deliver: Deliver, signal: AbortSignal, say: (text: string) => void): Promise<Exported> {
  const outputs: readonly NativeOutput[] = request.outputs.length === 0 ? [{ type: 'image', attributes: {} }] : request.outputs;
  const exporter = new Exporter(builder, images, built, request, signal, say);
  for (const [index, output] of outputs.entries()) {
    signal.throwIfAborted();
    switch (output.type) {
      case 'cacheonly':
        break;
      case 'image':
        await exporter.store(output.attributes, output.attributes['push'] === 'true');
        break;
      case 'registry':
        await exporter.store(output.attributes, output.attributes['push'] !== 'false');
        break;
      case 'local':
      case 'tar':
        await deliver(index, exporter.files());
        break;
      case 'oci':
      case 'docker':
        await deliver(index, await exporter.archive(output));
        break;
    }
  }
  return exporter.result();
}

class Exporter {
  readonly #builder: Builder;
  readonly #images: Images;
  readonly #built: Built;
  readonly #request: ExportRequest;
  readonly #signal: AbortSignal;
  readonly #say: (text: string) => void;
  readonly #sets = new Map<boolean, ImageSet>();
  #stored: ImageSet | undefined;
  #names: string[] = [];

  constructor(builder: Builder, images: Images, built: Built, request: ExportRequest, signal: AbortSignal, say: (text: string) => void) {
    this.#builder = builder;
    this.#images = images;
    this.#built = built;
    this.#request = request;
    this.#signal = signal;
    this.#say = say;
  }

  /** Into the image store, under all names; then to the registries of these names. */
  async store(attributes: Readonly<Record<string, string>>, push: boolean): Promise<void> {
    const given = attributes['name'] === undefined ? this.#request.tags : [...this.#request.tags, ...attributes['name'].split(',')];
    const names = tagNames(given);
    if (push && names.length === 0) throw invalid('tag is needed when pushing to registry');
    const { image, target } = await this.#image(names, attributes);
    this.#names = names;
    for (const name of names) {
      nameImage(this.#images.context, image, name, target?.digest);
      this.#say(`naming to ${name}`);
    }
    if (!push) return;
    for (const name of names) await this.#push(name);
  }

  async #push(name: string): Promise<void> {
    this.#say(`pushing ${familiar(name)}`);
    for await (const { errorDetail, error } of this.#images.push({ reference: familiar(name), credentials: this.#request.credentials(name) })) {
      this.#signal.throwIfAborted();
      if (errorDetail !== undefined || error !== undefined) throw new EngineError('internal', `failed to push ${familiar(name)}: ${errorDetail?.message ?? error}`);
    }
  }

  async #image(names: readonly string[], attributes: Readonly<Record<string, string>>): Promise<ImageSet> {
    const rewriteTimestamps = attributes['rewrite-timestamp'] === 'true';
    const known = this.#sets.get(rewriteTimestamps);
    if (known !== undefined) return known;
    const set = await storeImages(this.#builder, this.#images, this.#built, names, { ...this.#request, rewriteTimestamps }, this.#signal);
    this.#sets.set(rewriteTimestamps, set);
    this.#stored ??= set;
    this.#say(`writing image ${digestOfSet(set)}`);
    return set;
  }

  /** The files of the result; of several platforms in a folder each. */
  files(): AsyncIterable<Uint8Array> {
    const { platforms } = this.#built;
    const trees: { prefix: string; tree: Tree }[] = platforms.map(({ result, tree }) => ({ prefix: platforms.length === 1 ? '' : renderPlatform(result.platform).replaceAll('/', '_'), tree }));
    return treeTar(this.#builder, trees, this.#signal);
  }

  /** An image archive, without a name in the store. */
  async archive({ attributes }: NativeOutput): Promise<AsyncIterable<Uint8Array>> {
    const names = tagNames(attributes['name'] === undefined ? this.#request.tags : attributes['name'].split(','));
    const { image } = await this.#image([], attributes);
    return this.#images.saveAs(image.id, names, this.#signal);
  }

  result(): Exported {
    const set = this.#stored;
    if (set === undefined) return { imageId: undefined, metadata: {} };
    const { image, target } = set;
    const config = renderConfig(image.config);
    const platform = { architecture: image.config.architecture, os: image.config.os };
    return {
      imageId: target === undefined ? image.id : digestOfSet(set),
      metadata: {
        'containerimage.config.digest': image.id,
        'containerimage.digest': digestOfSet(set),
        'containerimage.descriptor':
          target === undefined ? { mediaType: config.mediaType, digest: image.id, size: config.bytes.length, platform } : { mediaType: target.mediaType, digest: target.digest, size: target.bytes.length },
        ...(this.#names.length === 0 ? {} : { 'image.name': this.#names.join(',') }),
      },
    };
  }
}
