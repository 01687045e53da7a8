import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { sha256Digest, type Digest } from '#spec/digest.ts';
import { mediaTypes, type Descriptor, type ImageConfigFile, type Platform } from '#spec/oci-image.ts';
import { renderConfig } from '#image/configuration.ts';
import type { ImageContext } from '#image/context.ts';
import type { Lease } from '#image/leases.ts';
import { compressFile } from '#image/push/compress.ts';
import type { PresentManifest } from '#image/record.ts';

const layerTypes = { none: mediaTypes.ociLayer, gzip: mediaTypes.ociLayerGzip, zstd: mediaTypes.ociLayerZstd } as const;

export interface Statement {
  predicateType: string;
  predicate: Record<string, unknown>;
}

/** A manifest of an image that was built, its layers compressed, for indexes and registries. */
export async function imageManifest(
  images: ImageContext,
  chains: readonly Digest[],
  config: ImageConfigFile,
  options: { annotations: Readonly<Record<string, string>>; lease: Lease; signal: AbortSignal },
): Promise<PresentManifest & { config: NonNullable<PresentManifest['config']> }> {
  const layers: Descriptor[] = [];
  for (const chain of chains) layers.push(await layerDescriptor(images, chain, options.lease, options.signal));
  const rendered = { ...renderConfig(config), mediaType: mediaTypes.ociConfig };
  const { annotations } = options;
  const manifest = document(mediaTypes.ociManifest, {
    schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: { mediaType: mediaTypes.ociConfig, digest: rendered.digest, size: rendered.bytes.length }, layers,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  });
  return { ...manifest, config: rendered };
}

async function layerDescriptor(images: ImageContext, chain: Digest, lease: Lease, signal: AbortSignal): Promise<Descriptor> {
  let layer = images.layers.get(chain);
  if (layer?.compression === 'none') {
    const file = `${images.blobs.temporary()}.gz`;
    const { digest, size } = await compressFile(images.blobs.read(layer.blob), file, signal, () => {});
    lease.add(digest);
    await images.blobs.adopt(file, digest);
    images.layers.setBlob(chain, { digest, size, compression: 'gzip' });
    layer = images.layers.get(chain);
  }
  if (layer === undefined) throw new Error(`layer ${chain} is missing from the store`);
  return { mediaType: layerTypes[layer.compression], digest: layer.blob, size: layer.blobSize };
}

/** What is said about an image, as a manifest beside it in an index. */
export async function attestationManifest(images: ImageContext, subject: { name: string; digest: Digest }, statements: readonly Statement[], lease: Lease): Promise<PresentManifest> {
  const layers: Descriptor[] = [];
  for (const { predicateType, predicate } of statements) {
    const text = JSON.stringify({ _type: 'https://in-toto.io/Statement/v0.1', predicateType, subject: [{ name: subject.name, digest: { sha256: subject.digest.slice('sha256:'.length) } }], predicate });
    const blob = await keepBlob(images, Buffer.from(text), lease);
    layers.push({ mediaType: 'application/vnd.in-toto+json', ...blob, annotations: { 'in-toto.io/predicate-type': predicateType } });
  }
  const config = Buffer.from(JSON.stringify({ architecture: 'unknown', os: 'unknown', config: {}, rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) } }));
  const configBlob = await keepBlob(images, config, lease);
  return document(mediaTypes.ociManifest, { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: { mediaType: mediaTypes.ociConfig, ...configBlob }, layers });
}

async function keepBlob(images: ImageContext, bytes: Buffer, lease: Lease): Promise<{ digest: Digest; size: number }> {
  const digest = digestOf(bytes);
  lease.add(digest);
  const file = images.blobs.temporary();
  writeFileSync(file, bytes, { mode: 0o600 });
  await images.blobs.adopt(file, digest);
  return { digest, size: bytes.length };
}

/** One for each platform, each followed by what is said about it. */
export function indexOf(parts: readonly { manifest: PresentManifest; platform: Platform; attestation: PresentManifest | undefined }[], annotations: Readonly<Record<string, string>>): PresentManifest {
  const manifests: Descriptor[] = parts.flatMap(({ manifest, platform, attestation }) => {
    const own: Descriptor = { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.length, platform };
    if (attestation === undefined) return [own];
    return [own, {
      mediaType: attestation.mediaType, digest: attestation.digest, size: attestation.bytes.length,
      annotations: { 'vnd.docker.reference.digest': manifest.digest, 'vnd.docker.reference.type': 'attestation-manifest' },
      platform: { architecture: 'unknown', os: 'unknown' },
    }];
  });
  return document(mediaTypes.ociIndex, { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) });
}

function document(mediaType: string, value: unknown): PresentManifest {
  const bytes = Buffer.from(JSON.stringify(value, undefined, 2));
  return { bytes, mediaType, digest: digestOf(bytes) };
}

const digestOf = (bytes: Uint8Array): Digest => sha256Digest(createHash('sha256').update(bytes).digest('hex'));
