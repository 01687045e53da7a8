import { join } from 'node:path';
import type { Digest } from '#spec/digest.ts';
import type { SpooledFile } from '#host/jail.ts';
import type { LayerStore, PendingLayer } from './layer-store.ts';

/**
 * Unpacks layers of an archive while the rest of it still arrives: what they belong to is said at its end. What nobody takes
 * is thrown away; what fails is tried again by whom it concerns, and told by them.
 */
export class UnpackAhead implements AsyncDisposable {
  readonly #layers: LayerStore;
  readonly #pending = new Map<Digest, Promise<PendingLayer | undefined>>();

  constructor(layers: LayerStore) {
    this.#layers = layers;
  }

  /** Small ones are unpacked soon enough. */
  begin(folder: string, { file, digest, size }: SpooledFile): void {
    if (size < 64 << 10 || this.#pending.has(digest) || this.#layers.knows(digest)) return;
    const unpacking = this.#layers.unpack({ kind: 'file', path: join(folder, file), digest, size }).catch(() => undefined);
    this.#pending.set(digest, unpacking);
  }

  /** Each can be taken once; then it is the taker's to place or to discard. */
  async take(digest: Digest): Promise<PendingLayer | undefined> {
    const unpacking = this.#pending.get(digest);
    this.#pending.delete(digest);
    return unpacking;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = await Promise.all(this.#pending.values());
    this.#pending.clear();
    await Promise.all(left.filter((pending) => pending !== undefined).map((pending) => this.#layers.discard(pending)));
  }
}
