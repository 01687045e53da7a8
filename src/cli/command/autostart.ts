import { ensureEngine } from '../engine/start-engine.ts';
import type { Output } from './io.ts';

/** Starts the machine's own engine and returns when it answers. */
export async function startEngine(_socket: string, _err: Output): Promise<void> {
  await ensureEngine();
}
