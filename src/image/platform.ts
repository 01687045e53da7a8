import { invalid, messageOf } from '#base/errors.ts';
import type { ImageConfigFile, Platform } from '#spec/oci-image.ts';
import { goArchitecture, normalPlatform, parsePlatform as parseText } from '#spec/platform.ts';
import { isFields } from './documents.ts';

export { normalPlatform as normalize, renderPlatform } from '#spec/platform.ts';

/** What an API client wrote: `linux/arm64/v8`, or `{"os":"linux","architecture":"arm64"}`. */
export function parsePlatform(text: string): Platform {
  if (text.startsWith('{')) return parseJsonPlatform(text);
  try {
    return parseText(text);
  } catch (error) {
    // The engine's containerd speaks of components only; the CLI's, which is newer, of the OS component.
    throw invalid(messageOf(error).replace(/is an invalid OS component of (.*): OSAndVersion .*/, 'is an invalid component of $1: platform specifier component must match "^[A-Za-z0-9_-]+$": invalid argument'), { cause: error });
  }
}

function parseJsonPlatform(text: string): Platform {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid('failed to parse platform: not JSON', { cause: error });
  }
  if (!isFields(parsed)) throw invalid('failed to parse platform: expected an object');
  const { os, architecture, variant, 'os.version': version } = parsed;
  for (const value of [os, architecture, variant, version]) if (value !== undefined && typeof value !== 'string') throw invalid('failed to parse platform: expected strings');
  if (!os || !architecture) throw invalid(`both OS and Architecture must be provided`);
  return normalPlatform({ os, architecture, ...(variant ? { variant } : {}), ...(version ? { 'os.version': version } : {}) } as Platform);
}

/** What an image's configuration says; this machine's where it says nothing. */
export const platformOf = (config: Pick<ImageConfigFile, 'os' | 'architecture' | 'variant'>): Platform => ({
  os: config.os || 'linux',
  architecture: config.architecture || goArchitecture(),
  ...(config.variant === undefined ? {} : { variant: config.variant }),
});

/** This machine's own. */
export const hostPlatform = (): Platform => normalPlatform({ os: 'linux', architecture: goArchitecture() });

/** What runs where: the same, or an older variant of the same processor. 0 is no match, more is better. */
export function platformScore(offered: Platform, wanted: Platform): number {
  const [have, want] = [normalPlatform(offered), normalPlatform(wanted)];
  if (have.os !== want.os) return 0;
  if (have.architecture !== want.architecture) return have.architecture === 'arm' && want.architecture === 'arm64' && want.variant === undefined ? 1 + variantNumber(have.variant) : 0;
  if ((have.variant ?? '') === (want.variant ?? '')) return 100;
  const [offers, wants] = [variantNumber(have.variant), variantNumber(want.variant)];
  return ['arm', 'amd64'].includes(have.architecture) && offers < wants ? 10 + offers : 0;
}

const variantNumber = (variant: string | undefined): number => Number(/^v(\d+)/.exec(variant ?? '')?.[1] ?? 0);

/** The best of these for a platform; undefined when none fits. */
export function bestPlatform<T>(offers: readonly T[], platformOf: (offer: T) => Platform, wanted: Platform): T | undefined {
  let best: T | undefined;
  let most = 0;
  for (const offer of offers) {
    const score = platformScore(platformOf(offer), wanted);
    if (score > most) [best, most] = [offer, score];
  }
  return best;
}
