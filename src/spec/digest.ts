import { invalid } from '#base/errors.ts';

declare const brand: unique symbol;
/** `sha256:<64 lower-case hex>`; other algorithms are refused. */
export type Digest = string & { readonly [brand]: 'Digest' };

const pattern = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return pattern.test(text);
}

/** Throws invalid_argument for anything that is not a sha256 digest: paths are built from digests. */
export function parseDigest(text: unknown): Digest {
  if (typeof text !== 'string' || !isDigest(text)) {
    throw invalid(`invalid digest ${JSON.stringify(text)?.slice(0, 120)}: expected sha256:<64 hex digits>`);
  }
  return text;
}

/** Builds a digest from 64 hex digits. */
export const sha256Digest = (hex: string): Digest => parseDigest(`sha256:${hex}`);

/** The hex part. */
export const digestHex = (digest: Digest): string => digest.slice('sha256:'.length);
