/** OCI layouts made to measure: images of several platforms, attestations, artifacts. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { mediaTypes } from '#spec/oci-image.ts';
import { archive, type Member } from './workshop.ts';

export const sha = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
export const blob = (bytes: Uint8Array): Member => ({ name: `blobs/sha256/${sha(bytes).slice(7)}`, content: bytes });
export const descriptor = (mediaType: string, bytes: Uint8Array) => ({ mediaType, digest: sha(bytes), size: bytes.length });

export interface BuiltImage {
  platform: { os: string; architecture: string; variant?: string };
  config: Buffer;
  layers: Buffer[];
  manifest: Buffer;
}

export function buildImage(platform: BuiltImage['platform'], files: Member[], labels: Record<string, string> = {}): BuiltImage {
  const tar = archive(...files);
  const layers = [gzipSync(tar)];
  const config = json({ ...platform, created: '2026-01-02T03:04:05Z', config: { Cmd: ['sh'], Labels: labels }, rootfs: { type: 'layers', diff_ids: [sha(tar)] }, history: [{ created_by: `for ${platform.architecture}` }] });
  const manifest = json({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: descriptor(mediaTypes.ociConfig, config),
    layers: layers.map((layer) => descriptor(mediaTypes.ociLayerGzip, layer)),
  });
  return { platform, config, layers, manifest };
}

/** What BuildKit adds to an image: a manifest of in-toto statements that names the image's own. */
export function buildAttestation(of: BuiltImage): { manifest: Buffer; blobs: Buffer[]; descriptor: unknown } {
  const config = json({ architecture: 'unknown', os: 'unknown', config: {}, rootfs: { type: 'layers', diff_ids: [sha(Buffer.from('statement'))] } });
  const statement = json({ _type: 'https://in-toto.io/Statement/v0.1', subject: [sha(of.manifest)] });
  const manifest = json({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: descriptor(mediaTypes.ociConfig, config), layers: [descriptor('application/vnd.in-toto+json', statement)] });
  const annotations = { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': sha(of.manifest) };
  return { manifest, blobs: [config, statement], descriptor: { ...descriptor(mediaTypes.ociManifest, manifest), platform: { os: 'unknown', architecture: 'unknown' }, annotations } };
}

export const indexOf = (...manifests: unknown[]): Buffer => json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
export const entryOf = ({ manifest, platform }: BuiltImage) => ({ ...descriptor(mediaTypes.ociManifest, manifest), platform });

/** A layout whose index.json names one target. */
export function layout(name: string | undefined, mediaType: string, target: Buffer, blobs: readonly Buffer[]): Buffer {
  const annotations = name === undefined ? {} : { annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1) } };
  return archive(
    { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: 'index.json', content: json({ schemaVersion: 2, manifests: [{ ...descriptor(mediaType, target), ...annotations }] }) },
    blob(target),
    ...blobs.map(blob),
  );
}

export const blobsOf = (image: BuiltImage): Buffer[] => [image.manifest, image.config, ...image.layers];
