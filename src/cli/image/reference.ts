/** Image names as people write them. */

export interface NameParts {
  name: string;
  tag: string | undefined;
  digest: string | undefined;
}

/** Cuts `host:5000/a/b:tag@sha256:...`. */
export function splitReference(text: string): NameParts {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const rest = at < 0 ? text : text.slice(0, at);
  const colon = rest.lastIndexOf(':');
  const tagged = colon > rest.lastIndexOf('/');
  return { name: tagged ? rest.slice(0, colon) : rest, tag: tagged ? rest.slice(colon + 1) : undefined, digest };
}

/** Without `docker.io/` and `library/`. */
export const familiarName = (name: string): string => name.replace(/^(?:docker\.io|index\.docker\.io)\/(?:library\/(?=[^/]+$))?/, '');

/** `busybox` becomes `busybox:latest`. */
export function familiarTagged(text: string): string {
  const { name, tag, digest } = splitReference(text);
  if (digest !== undefined) return `${familiarName(name)}${tag === undefined ? '' : `:${tag}`}@${digest}`;
  return `${familiarName(name)}:${tag ?? 'latest'}`;
}

/** The registry's host in front: it has a dot, a port or a capital, or is `localhost`. */
function splitDomain(name: string): { domain: string | undefined; path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(0, slash));
  if (slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first)) {
    return { domain: first, path: name.slice(slash + 1) };
  }
  return { domain: undefined, path: slash < 0 ? `library/${name}` : name };
}

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const pathPattern = new RegExp(`^${component}(?:/${component})*$`);
const domainPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[\da-fA-F:]+\])(?::\d+)?$/;

/** Refuses what is no repository name, in Docker's words. */
export function requireReference(text: string): NameParts {
  if (/^[\da-f]{64}$/.test(text)) throw new Error(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  const parts = splitReference(text);
  const { domain, path } = splitDomain(parts.name);
  if (path.toLowerCase() !== path) throw new Error(`invalid reference format: repository name (${path}) must be lowercase`);
  const valid =
    pathPattern.test(path) &&
    (domain === undefined || domainPattern.test(domain)) &&
    (parts.tag === undefined || /^\w[\w.-]{0,127}$/.test(parts.tag)) &&
    (parts.digest === undefined || /^[a-z0-9+._-]+:[\da-fA-F]{32,}$/.test(parts.digest));
  if (!valid) throw new Error('invalid reference format');
  return parts;
}

/** As requireReference, but an image's id will do. */
export function requireAnyReference(text: string): void {
  if (!/^(sha256:)?[\da-f]{64}$/.test(text)) requireReference(text);
}
