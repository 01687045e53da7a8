import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import type { Digest } from '#spec/digest.ts';
import type { StoreCheckLine, StoreProblem, StoreReport } from '#spec/wire/system.ts';
import type { ImageContext } from '../context.ts';
import { chainIds, digestOf, parseConfig } from '../documents.ts';
import { dropBrokenImage, dropBrokenManifest } from './drop.ts';
import { checkLayer } from './layer.ts';

export interface CheckOptions {
  /** Unpack damaged layers anew, and forget what cannot be mended. */
  repair: boolean;
  /** Look for what is missing only; read no content. */
  quick: boolean;
}

/**
 * Compares the store with its records: every document, blob and layer, and what the records say of them. May run beside
 * everything else; what others are just making is leased and not touched. Yields what it finds as it goes, a report last.
 */
export async function* checkStore(context: ImageContext, options: CheckOptions): AsyncGenerator<StoreCheckLine> {
  const report: StoreReport = { Documents: 0, Blobs: 0, Layers: 0, Images: 0, Problems: 0, Repaired: 0 };
  const tell = (problem: StoreProblem): StoreCheckLine => {
    report.Problems++;
    if (problem.Repaired !== undefined) report.Repaired++;
    return { Problem: problem };
  };
  const broken = new Set<Digest>();

  yield { Status: 'Checking records' };
  for (const row of context.db.handle.prepare('PRAGMA integrity_check').all()) {
    if (row['integrity_check'] !== 'ok') yield tell({ Kind: 'database', ID: 'state.db', Message: String(row['integrity_check']) });
  }
  for (const row of context.db.handle.prepare('SELECT digest, bytes FROM image_document').all()) {
    report.Documents++;
    const digest = row['digest'] as Digest;
    if (digestOf(row['bytes'] as Uint8Array) === digest) continue;
    broken.add(digest);
    yield tell({ Kind: 'document', ID: digest, Message: 'its bytes do not have this digest' });
  }

  yield { Status: 'Checking blobs' };
  yield* checkBlobs(context, options, broken, report, tell);

  yield { Status: 'Checking layers' };
  for (const { chain, below } of stacks(context)) {
    report.Layers++;
    const found = await checkLayer(context, chain, below, { ...options, broken });
    if (found === undefined) continue;
    if (found.lost) broken.add(chain);
    yield tell(found.problem);
  }

  yield { Status: 'Checking images' };
  for (const { id, reason } of brokenImages(context, broken, report)) {
    const Repaired = options.repair ? dropBrokenImage(context, id) : undefined;
    yield tell({ Kind: 'image', ID: id, Message: reason, ...(Repaired === undefined ? {} : { Repaired }) });
  }
  for (const { manifest, blob } of manifestBlobs(context)) {
    if (context.blobs.has(blob) && !broken.has(blob)) continue;
    const Repaired = options.repair ? dropBrokenManifest(context, manifest) : undefined;
    yield tell({ Kind: 'manifest', ID: manifest, Message: `its blob ${blob} is ${context.blobs.has(blob) ? 'damaged' : 'missing'}`, ...(Repaired === undefined ? {} : { Repaired }) });
  }

  yield { Status: 'Checking for strays' };
  for (const name of context.layers.strays()) {
    if (options.repair) await context.layers.removeStray(name);
    yield tell({ Kind: 'stray', ID: name, Message: 'a layer folder that no record names', ...(options.repair ? { Repaired: 'removed' } : {}) });
  }
  if (options.repair) await context.layers.collect();
  yield { Report: report };
}

async function* checkBlobs(
  context: ImageContext,
  options: CheckOptions,
  broken: Set<Digest>,
  report: StoreReport,
  tell: (problem: StoreProblem) => StoreCheckLine,
): AsyncGenerator<StoreCheckLine> {
  const layers = new Map(
    context.db.handle.prepare('SELECT blob, blob_size FROM image_layer WHERE folder IS NULL').all().map((row) => [row['blob'] as Digest, row['blob_size'] as number]),
  );
  const kept = new Map(context.db.handle.prepare('SELECT digest, size FROM image_blob').all().map((row) => [row['digest'] as Digest, row['size'] as number]));
  for (const digest of await context.blobs.list()) {
    report.Blobs++;
    const size = layers.get(digest) ?? kept.get(digest);
    if (size === undefined && !context.leases.has(digest)) {
      yield tell({ Kind: 'stray', ID: digest, Message: 'a blob that no record names', ...(options.repair ? { Repaired: 'removed' } : {}) });
      continue;
    }
    const complaint = await judge(context, digest, size, options.quick);
    if (complaint === undefined) continue;
    broken.add(digest);
    // A damaged blob must not be given to anybody; what unpacks it again brings it back.
    if (options.repair) context.blobs.remove(digest);
    yield tell({ Kind: 'blob', ID: digest, Message: complaint, ...(options.repair ? { Repaired: 'removed; pulling or loading its image again brings it back' } : {}) });
  }
  for (const digest of layers.keys()) {
    if (context.blobs.has(digest) || broken.has(digest)) continue;
    broken.add(digest);
    yield tell({ Kind: 'blob', ID: digest, Message: 'it is missing: its image can make containers, but neither be saved nor pushed until it is pulled or loaded again' });
  }
}

async function judge(context: ImageContext, digest: Digest, size: number | undefined, quick: boolean): Promise<string | undefined> {
  const path = context.blobs.path(digest);
  const stats = statSync(path, { throwIfNoEntry: false });
  // Collected meanwhile.
  if (stats === undefined) return undefined;
  if (size !== undefined && stats.size !== size) return `it has ${stats.size} bytes, its record says ${size}`;
  if (quick) return undefined;
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) hash.update(chunk as Buffer);
  } catch (error) {
    return context.blobs.has(digest) ? `it cannot be read: ${error instanceof Error ? error.message : String(error)}` : undefined;
  }
  return `sha256:${hash.digest('hex')}` === digest ? undefined : 'its bytes do not have this digest';
}

/** Every layer of an image with what lies below it; lower ones first. */
function stacks(context: ImageContext): { chain: Digest; below: Digest[] }[] {
  const seen = new Map<Digest, Digest[]>();
  const rows = context.db.handle.prepare('SELECT image, chain_id FROM image_stack ORDER BY image, position').all();
  for (const group of Map.groupBy(rows, (row) => row['image']).values()) {
    const chains = group.map((row) => row['chain_id'] as Digest);
    for (const [position, chain] of chains.entries()) if (!seen.has(chain)) seen.set(chain, chains.slice(0, position));
  }
  return [...seen].map(([chain, below]) => ({ chain, below })).sort((a, b) => a.below.length - b.below.length);
}

function* brokenImages(context: ImageContext, broken: ReadonlySet<Digest>, report: StoreReport): Generator<{ id: Digest; reason: string }> {
  const stackOf = context.db.handle.prepare('SELECT chain_id FROM image_stack WHERE image = ? ORDER BY position');
  const bytesOf = context.db.handle.prepare('SELECT bytes FROM image_document WHERE digest = ?');
  for (const row of context.db.handle.prepare('SELECT id FROM image').all()) {
    report.Images++;
    const id = row['id'] as Digest;
    const chains = stackOf.all(id).map((layer) => layer['chain_id'] as Digest);
    const lost = chains.find((chain) => broken.has(chain));
    if (broken.has(id)) yield { id, reason: 'its configuration is damaged' };
    else if (lost !== undefined) yield { id, reason: `its layer ${lost} is damaged` };
    else if (chainIds(parseConfig(bytesOf.get(id)?.['bytes'] as Uint8Array).rootfs.diff_ids).join() !== chains.join()) yield { id, reason: 'its layers are not those of its configuration' };
  }
}

const manifestBlobs = (context: ImageContext): { manifest: Digest; blob: Digest }[] =>
  context.db.handle.prepare('SELECT manifest, digest FROM image_blob ORDER BY manifest').all().map((row) => ({ manifest: row['manifest'] as Digest, blob: row['digest'] as Digest }));
