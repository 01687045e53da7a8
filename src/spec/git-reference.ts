import { invalid } from '#base/errors.ts';

/** A repository with what of it is meant: the remote of a build context or of `ADD`. */
export interface GitReference {
  /** As git takes it, without the fragment. */
  readonly remote: string;
  /** Host and path, for names: `github.com/org/repo.git`. */
  readonly location: string;
  readonly ref: string;
  readonly subdirectory: string;
  readonly checksum: string;
  readonly keepGitDir: boolean | undefined;
  readonly submodules: boolean | undefined;
  /** `github.com/org/repo`: could as well be a local path. */
  readonly ambiguous: boolean;
}

const scp = /^([a-zA-Z0-9-_]+)@([a-zA-Z0-9-.]+):([^?#]*)(.*)$/;

/**
 * Undefined for what is no git repository: `http(s)` needs a path that ends in `.git`, `git://`, `ssh://` and `user@host:path` are
 * always one. Throws invalid_argument for one that cannot be taken: a subdirectory that leaves it, an unknown query.
 */
export function parseGitReference(text: string): GitReference | undefined {
  if (/[\s\0]/.test(text)) return undefined;
  const match = scp.exec(text);
  if (match && !text.includes('://')) {
    const [, user = '', host = '', path = '', rest = ''] = match;
    return finish(`${user}@${host}:${path}`, `${host}/${path.replace(/^\//, '')}`, rest, false);
  }
  const url = /^(https?|git|ssh):\/\/([^/?#]+)(\/[^?#]*)?(.*)$/i.exec(text);
  if (url) {
    const [, scheme = '', host = '', path = '', rest = ''] = url;
    if (/^https?$/i.test(scheme) && !/\.git$/.test(path)) return undefined;
    return finish(`${scheme.toLowerCase()}://${host}${path}`, `${host.replace(/^[^@]*@/, '')}${path}`, rest, false);
  }
  const local = /^(github\.com\/[^?#]+)(.*)$/.exec(text);
  if (!local) return undefined;
  return finish(`https://${local[1] ?? ''}`, local[1] ?? '', local[2] ?? '', true);
}

function finish(remote: string, location: string, rest: string, ambiguous: boolean): GitReference {
  const hash = rest.indexOf('#');
  const query = new URLSearchParams(hash < 0 ? rest : rest.slice(0, hash));
  const fragment = hash < 0 ? '' : rest.slice(hash + 1);
  const colon = fragment.indexOf(':');
  let ref = colon < 0 ? fragment : fragment.slice(0, colon);
  let subdirectory = colon < 0 ? '' : fragment.slice(colon + 1);
  let checksum = '';
  const switches: { keepGitDir: boolean | undefined; submodules: boolean | undefined } = { keepGitDir: undefined, submodules: undefined };
  for (const [key, value] of query) {
    if (key === 'ref') ref = once(ref, value, key);
    else if (key === 'branch') ref = once(ref, `refs/heads/${value}`, key);
    else if (key === 'tag') ref = once(ref, `refs/tags/${value}`, key);
    else if (key === 'subdir') subdirectory = once(subdirectory, value, key);
    else if (key === 'commit' || key === 'checksum') checksum = value;
    else if (key === 'keep-git-dir') switches.keepGitDir = value !== 'false' && value !== '0';
    else if (key === 'submodules') switches.submodules = value !== 'false' && value !== '0';
    else throw invalid(`unexpected query ${JSON.stringify(key)}`);
  }
  if (ref.startsWith('-')) throw invalid(`invalid git ref ${JSON.stringify(ref)}`);
  if (remote.startsWith('-') || location.startsWith('-')) throw invalid(`invalid git remote ${JSON.stringify(remote)}`);
  subdirectory = subdirectory.replace(/^\/+/, '').replace(/\/+$/, '');
  if (subdirectory.split('/').includes('..')) throw invalid(`git subdirectory ${JSON.stringify(subdirectory)} leaves the repository`);
  return { remote, location, ref: ref === '' && checksum !== '' ? checksum : ref, subdirectory, checksum, ...switches, ambiguous };
}

function once(before: string, value: string, key: string): string {
  if (before !== '' && before !== value) throw invalid(`conflicting ${key} in git reference: ${JSON.stringify(before)} and ${JSON.stringify(value)}`);
  return value;
}
