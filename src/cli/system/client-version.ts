import { readFileSync } from 'node:fs';

declare const GANTRY_VERSION: string | undefined;
declare const GANTRY_COMMIT: string | undefined;
declare const GANTRY_BUILD_TIME: string | undefined;

export interface ClientVersion {
  version: string;
  commit: string;
  /** RFC 3339; empty in a checkout. */
  built: string;
}

/** The constants of a build, or package.json of a checkout. */
export function clientVersion(): ClientVersion {
  return {
    version: typeof GANTRY_VERSION === 'string' ? GANTRY_VERSION : packageVersion(),
    commit: typeof GANTRY_COMMIT === 'string' ? GANTRY_COMMIT : 'unknown',
    built: typeof GANTRY_BUILD_TIME === 'string' ? GANTRY_BUILD_TIME : '',
  };
}

function packageVersion(): string {
  const parsed = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version?: string };
  return parsed.version ?? 'unknown';
}
