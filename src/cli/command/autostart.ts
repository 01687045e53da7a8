import { ensureEngine } from '../engine/start-engine.ts';

let starting: Promise<unknown> | undefined;

/** Starts the machine's own engine and returns when it answers; callers share one start. */
export async function startEngine(): Promise<void> {
  await (starting ??= ensureEngine());
}
