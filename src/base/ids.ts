import { randomBytes } from 'node:crypto';

/** 64 hex digits, never all decimal in the first twelve (a short id must not read as a number). */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    if (!/^\d+$/.test(id.slice(0, 12))) return id;
  }
}

/** The twelve digits that people see. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
