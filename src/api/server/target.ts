import { EngineError, invalid } from '#base/errors.ts';
import { API_VERSION, compareVersions, MIN_API_VERSION } from '../version.ts';

export interface Target {
  /** Percent-decoded, without the version prefix. */
  path: string;
  /** The raw query, without `?`. */
  query: string;
  version: string;
}

const prefix = /^\/v(\d+(?:\.\d+)*)(\/.*)$/;

/** Splits a request target. Throws invalid_argument in Docker's words for versions that are not spoken. */
export function parseTarget(url: string): Target {
  const cut = url.indexOf('?');
  let path = cut < 0 ? url : url.slice(0, cut);
  const query = cut < 0 ? '' : url.slice(cut + 1);
  let version = API_VERSION;
  if (path.startsWith('/v')) {
    const match = prefix.exec(path);
    if (match) {
      version = match[1]!;
      path = match[2]!;
      if (compareVersions(version, MIN_API_VERSION) < 0) {
        throw invalid(
          `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
        );
      }
      if (compareVersions(version, API_VERSION) > 0) {
        throw invalid(`client version ${version} is too new. Maximum supported API version is ${API_VERSION}`);
      }
    }
  }
  if (path.includes('%')) {
    try {
      path = decodeURIComponent(path);
    } catch (error) {
      throw invalid('the path is not correctly percent-encoded', { cause: error });
    }
    if (path.includes('\0')) throw new EngineError('invalid_argument', 'the path contains a null character');
  }
  return { path, query, version };
}
