import { readFileSync } from 'node:fs';

declare const GANTRY_VERSION: string | undefined;
declare const GANTRY_BUILD_TIME: string | undefined;

/** The build's constant, or package.json's word in a checkout. */
export function engineVersion(): string {
  if (typeof GANTRY_VERSION === 'string') return GANTRY_VERSION;
  const parsed = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  return parsed.version;
}

/** Differs between any two builds; a checkout is one build. */
export function engineBuild(): string {
  return `${engineVersion()} ${typeof GANTRY_BUILD_TIME === 'string' ? GANTRY_BUILD_TIME : 'sources'}`;
}
