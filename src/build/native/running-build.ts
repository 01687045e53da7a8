/** What clients may do with a build while it runs. */
export interface RunningBuild {
  readonly controller: AbortController;
  /** Milliseconds. */
  readonly startedAt: number;
  /** Outputs that wait to be fetched. */
  readonly outputs: Map<number, { take(): AsyncIterable<Uint8Array> }>;
  /** Agents that the client offers, by id. */
  readonly ssh: Map<string, { open(): Promise<{ path: string; close: () => void }> }>;
}
