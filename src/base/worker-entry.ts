/**
 * Where a worker thread's code lies: beside this file's room in a checkout (`src/<room>/<name>.worker.ts`), beside the
 * bundle (`dist/<name>.worker.js`) when built. `GANTRY_BUNDLE` is replaced by `true` at build time.
 */
declare const GANTRY_BUNDLE: boolean | undefined;

/** True in a built file (everything lies in one folder), false in a checkout. */
export const bundled: boolean = typeof GANTRY_BUNDLE !== 'undefined' && GANTRY_BUNDLE;

export function workerUrl(room: string, name: string): URL {
  return bundled
    ? new URL(`./${name}.worker.js`, import.meta.url)
    : new URL(`../${room}/${name}.worker.ts`, import.meta.url);
}
