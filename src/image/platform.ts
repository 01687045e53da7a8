import { invalid } from '#base/errors.ts';
import type { ImageConfigFile, Platform } from '#spec/oci-image.ts';
import { goArchitecture } from './configuration.ts';
import { isFields } from './documents.ts';

/** Other names of architectures, as containerd knows them. */
const architectures: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  i386: ['386'],
  i686: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
};

/** What a person or an API client wrote: `linux/arm64/v8`, `linux`, `arm64`, or `{"os":"linux","architecture":"arm64"}`. */
export function parsePlatform(text: string): Platform {
  if (text.startsWith('{')) return parseJsonPlatform(text);
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+(?:\([a-z0-9_.-]*\))?$/.test(part))) {
    throw invalid(`${JSON.stringify(text)} is an invalid platform: expected os/architecture[/variant]`);
  }
  const [first = '', second, variant] = parts;
  // One word is an operating system or an architecture of this machine's system.
  if (second === undefined) return isSystem(first) ? { os: systemOf(first), architecture: goArchitecture() } : normalize({ os: 'linux', architecture: first });
  return normalize({ os: systemOf(first), architecture: second, ...(variant === undefined ? {} : { variant }) });
}

const isSystem = (word: string): boolean => /^(?:linux|windows|darwin|macos|freebsd|openbsd|netbsd|solaris|plan9|android|aix|illumos|js|wasi)(?:\(|$)/.test(word);
const systemOf = (word: string): string => {
  const os = word.replace(/\(.*/, '');
  return os === 'macos' ? 'darwin' : os;
};

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
  return normalize({ os, architecture, ...(variant ? { variant } : {}), ...(version ? { 'os.version': version } : {}) } as Platform);
}

/** Platforms that mean the same come out the same: `arm64/v8` is `arm64`, `arm` is `arm/v7`, an unnamed system is Linux. */
export function normalize(platform: Platform): Platform {
  const [architecture, implied] = architectures[platform.architecture.toLowerCase()] ?? [platform.architecture.toLowerCase()];
  const given = platform.variant?.toLowerCase() || implied;
  const variant = architecture === 'arm64' && (given === 'v8' || given === '8') ? undefined : architecture === 'arm' ? (given ?? 'v7') : architecture === 'amd64' && given === 'v1' ? undefined : given;
  const { 'os.version': version } = platform;
  return { os: platform.os.toLowerCase() || 'linux', architecture, ...(variant ? { variant } : {}), ...(version ? { 'os.version': version } : {}) };
}

export const renderPlatform = ({ os, architecture, variant }: Platform): string => [os, architecture, ...(variant ? [variant] : [])].join('/');

/** What an image's configuration says; this machine's where it says nothing. */
export const platformOf = (config: Pick<ImageConfigFile, 'os' | 'architecture' | 'variant'>): Platform => ({
  os: config.os || 'linux',
  architecture: config.architecture || goArchitecture(),
  ...(config.variant === undefined ? {} : { variant: config.variant }),
});

/** This machine's own. */
export const hostPlatform = (): Platform => normalize({ os: 'linux', architecture: goArchitecture() });

/** What runs where: the same, or an older variant of the same processor. 0 is no match, more is better. */
export function platformScore(offered: Platform, wanted: Platform): number {
  const [have, want] = [normalize(offered), normalize(wanted)];
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
