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

const domain = /^(?:localhost|[^/]*[.:][^/]*)\//;

/** Refuses what is no repository name, in Docker's words. */
export function requireReference(text: string): NameParts {
  if (/^[\da-f]{64}$/.test(text)) throw new Error(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  const parts = splitReference(text);
  const path = parts.name.replace(domain, '');
  const familiar = domain.test(parts.name) || parts.name.includes('/') ? path : `library/${path}`;
  if (path.toLowerCase() !== path) throw new Error(`invalid reference format: repository name (${familiar}) must be lowercase`);
  const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
  const valid = new RegExp(`^${component}(?:/${component})*$`).test(path) && (parts.tag === undefined || /^\w[\w.-]{0,127}$/.test(parts.tag));
  if (!valid) throw new Error('invalid reference format');
  return parts;
}
