import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { invalid, isErrno, messageOf } from '#base/errors.ts';
import { IgnorePatterns, readIgnoreFile } from '#spec/ignore-patterns.ts';

const MOST_BYTES = 4 << 20;

/**
 * What the ignore file of a build says: `X.dockerignore` beside the Dockerfile X before `.dockerignore` in the context. The
 * Dockerfile and the ignore file itself always go along. Undefined where nothing is ignored.
 */
export function ignoreOf(root: string, dockerfile: { readonly absolute: string | undefined; readonly inContext: string | undefined }): { ignore: IgnorePatterns | undefined; text: string } {
  const own = dockerfile.absolute === undefined ? undefined : readText(`${dockerfile.absolute}.dockerignore`);
  const text = own ?? readText(join(root, '.dockerignore')) ?? '';
  const patterns = readIgnoreFile(text);
  if (patterns.length === 0) return { ignore: undefined, text };
  try {
    const written = new IgnorePatterns(patterns);
    const kept = ['.dockerignore', dockerfile.inContext].filter((path) => path !== undefined && written.matchesWithParents(path));
    return { ignore: new IgnorePatterns([...patterns, ...kept.map((path) => `!${posix.normalize(path ?? '')}`)]), text };
  } catch (error) {
    throw invalid(`error checking context: ${messageOf(error)}`, { cause: error });
  }
}

function readText(path: string): string | undefined {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MOST_BYTES) throw invalid(`${path} is larger than ${MOST_BYTES} bytes`);
    return bytes.toString();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
