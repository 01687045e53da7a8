import type { Log } from '#base/log.ts';

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
export function stopSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let asked = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (asked) process.exit(1);
      asked = true;
      resolve(signal);
    });
  }
  return promise;
}

/**
 * An engine that met a state nobody foresaw must not go on guessing: it says so and dies, the keeper starts another, and
 * every start is a recovery.
 */
export function dieOfTheUnexpected(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.error('the engine met an unexpected error and is started again', { error, stack: error.stack });
    process.exit(70);
  });
  process.on('unhandledRejection', (reason) => {
    log.error('the engine met an unexpected rejection and is started again', {
      error: reason,
      stack: reason instanceof Error ? reason.stack : undefined,
    });
    process.exit(70);
  });
}
