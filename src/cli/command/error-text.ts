import { EngineError } from '#base/errors.ts';

/** What is printed for a failure: the engine's errors are marked as such; our own speak for themselves. */
export function errorText(error: unknown): string {
  if (error instanceof EngineError) return error.details['status'] === undefined ? error.message : `Error response from daemon: ${error.message.trim()}`;
  return error instanceof Error ? error.message : String(error);
}
