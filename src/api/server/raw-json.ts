declare global {
  interface JSON {
    /** A value that stringify writes as it is; for numbers that no double holds (in V8 since Node 22). */
    rawJSON(text: string): object;
  }
}

/** A JSON number with all its digits. */
export const exactNumber = (value: number | bigint): object => JSON.rawJSON(value.toString());
