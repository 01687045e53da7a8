import { messageOf } from '#base/errors.ts';
import { parseReference, type Reference } from '#spec/reference.ts';

/** Image names as people write them. */

export interface NameParts {
  name: string;
  tag: string | undefined;
  digest: string | undefined;
}

/** Cuts `host:5000/a/b:tag@sha256:...` without judging it. */
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

/** Refuses what is no image name, in Docker's words, as a fault of the command line. */
export function requireReference(text: string): Reference & NameParts {
  try {
    return { ...parseReference(text), ...splitReference(text) } as Reference & NameParts;
  } catch (error) {
    throw new Error(messageOf(error), { cause: error });
  }
}

/** As requireReference, but an image's id will do. */
export function requireAnyReference(text: string): void {
  if (!/^(sha256:)?[\da-f]{64}$/.test(text)) requireReference(text);
}
