import type { Process, RuntimeSpec } from '#spec/oci-runtime.ts';

/** ECMAScript's JSON.rawJSON, which the type library does not know yet. */
declare global {
  interface JSON {
    rawJSON(text: string): unknown;
  }
}

/** RLIM_INFINITY: beyond what a JavaScript number holds exactly. */
const UNLIMITED = '18446744073709551615';

/** The document to write for the runtime. Unlimited rlimits, -1 with us, become the unsigned number that runtimes read. */
export function renderSpec(document: RuntimeSpec | Process): string {
  return JSON.stringify(document, (key, value: unknown) =>
    (key === 'hard' || key === 'soft') && value === -1 ? JSON.rawJSON(UNLIMITED) : value,
  );
}
