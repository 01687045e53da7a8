import { invalid } from '#base/errors.ts';
import { isDigest, type Digest } from './digest.ts';

/** An image name as registries know it. `domain/path` is always complete: `docker.io/library/busybox`. */
export interface Reference {
  domain: string;
  path: string;
  tag: string | undefined;
  digest: Digest | undefined;
}

const DEFAULT_DOMAIN = 'docker.io';
const alphanumeric = '[a-z0-9]+';
const separator = '(?:[._]|__|[-]+)';
const pathComponent = `${alphanumeric}(?:${separator}${alphanumeric})*`;
const domainComponent = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domainPattern = new RegExp(`^(?:${domainComponent}(?:\\.${domainComponent})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const pathPattern = new RegExp(`^${pathComponent}(?:/${pathComponent})*$`);
const tagPattern = /^[\w][\w.-]{0,127}$/;

/**
 * Parses what a person types: `busybox`, `user/app:1.2`, `host:5000/app@sha256:...`. Errors are Docker's texts:
 * `invalid reference format`, `invalid reference format: repository name (library/X) must be lowercase`.
 */
export function parseReference(text: string): Reference {
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const at = text.indexOf('@');
  const named = at < 0 ? text : text.slice(0, at);
  const { domain, rest } = splitDomain(named);
  const colon = rest.indexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (path.toLowerCase() !== path) {
    throw invalid(`invalid reference format: repository name (${path}) must be lowercase`);
  }
  if (!domainPattern.test(domain) || !pathPattern.test(path)) throw invalid('invalid reference format');
  if (tag !== undefined && !tagPattern.test(tag)) throw invalid('invalid reference format');
  if (domain.length + 1 + path.length > 255) throw invalid('repository name must not be more than 255 characters');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) throw invalid(digestComplaint(digest));
  return { domain, path, tag, digest };
}

function digestComplaint(digest: string): string {
  if (/^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/.test(digest)) {
    return digest.startsWith('sha256:') ? 'invalid checksum digest length' : 'unsupported digest algorithm';
  }
  return 'invalid reference format';
}

function splitDomain(named: string): { domain: string; rest: string } {
  const slash = named.indexOf('/');
  const head = slash < 0 ? '' : named.slice(0, slash);
  const isDomain = /[.:]/.test(head) || head === 'localhost' || head.toLowerCase() !== head;
  const domain = isDomain ? (head === 'index.docker.io' ? DEFAULT_DOMAIN : head) : DEFAULT_DOMAIN;
  const rest = isDomain ? named.slice(slash + 1) : named;
  return { domain, rest: domain === DEFAULT_DOMAIN && !rest.includes('/') ? `library/${rest}` : rest };
}

/** A name that must not carry a digest, with `latest` filled in: what `tag`, `import` and `commit` accept. */
export function parseTarget(repo: string, tag: string | undefined): Reference & { tag: string } {
  const reference = parseReference(repo);
  if (reference.digest !== undefined) throw invalid('refusing to create a tag with a digest reference');
  if (tag !== undefined && tag !== '') {
    if (!tagPattern.test(tag)) throw invalid('invalid tag format');
    return { ...reference, tag };
  }
  return { ...reference, tag: reference.tag ?? 'latest' };
}

/** The name without tag and digest, complete: `docker.io/library/busybox`. */
export const fullName = (reference: Reference): string => `${reference.domain}/${reference.path}`;

/** The name without tag and digest as people write it: `busybox`. */
export function familiarName(reference: Pick<Reference, 'domain' | 'path'>): string {
  if (reference.domain !== DEFAULT_DOMAIN) return `${reference.domain}/${reference.path}`;
  const short = reference.path.replace(/^library\//, '');
  return short.includes('/') ? reference.path : short;
}

/** As people write it, with tag and digest where present: `busybox:1.36`. */
export function familiarString(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${familiarName(reference)}${tag}${digest}`;
}

/** `latest` where neither a tag nor a digest was given. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}
