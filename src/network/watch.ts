import { existsSync } from 'node:fs';
import { messageOf } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { watchNetwork } from '#host/network-watch.ts';

/** The kernel tells of changes at once; this looks for what it could not tell. One look is one question. */
const INTERVAL = 5000;

export type Watch = Disposable;

interface WatchOptions {
  log: Log;
  kernelTells: boolean;
  /** Looks whether others changed firewall rules, and mends them. */
  verifyRules: () => Promise<void>;
  /** Names of the bridges that networks stand on. */
  bridges: () => readonly string[];
  /** Makes interfaces and rules as the records say. */
  repair: () => Promise<void>;
}

/** Mends at once what other programs break: rules that were flushed, bridges that were deleted. */
export function watchMachine({ log, kernelTells, verifyRules, bridges, repair }: WatchOptions): Watch {
  const verify = coalesced(verifyRules, (error) => log.warn('the firewall could not be looked at', { error }));
  const mend = coalesced(repair, (error) => log.warn('networks could not be mended', { error }));
  /** Asks the kernel only when it told of one that concerns us, or may have. */
  const lookForBridges = (): void => {
    const missing = bridges().filter((name) => !existsSync(`/sys/class/net/${name}`));
    if (missing.length === 0) return;
    log.warn('another program deleted a bridge; it is made again', { bridge: missing.join(', ') });
    mend();
  };
  const timer = setInterval(() => {
    verify();
    if (kernelTells) lookForBridges();
  }, INTERVAL).unref();
  let kernel: Disposable | undefined;
  try {
    kernel = kernelTells
      ? watchNetwork({
          onRules: verify,
          onLinkGone: (name) => {
            if (name === undefined || bridges().includes(name)) lookForBridges();
          },
        })
      : undefined;
  } catch (error) {
    log.info('changes of the network by others are noticed after seconds only', { reason: messageOf(error) });
  }
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      kernel?.[Symbol.dispose]();
    },
  };
}

/** Runs the task for every call, but never twice at once: calls meanwhile make one more run. */
function coalesced(task: () => Promise<void>, onError: (error: unknown) => void): () => void {
  let running = false;
  let again = false;
  const run = async (): Promise<void> => {
    running = true;
    do {
      again = false;
      await task().catch(onError);
    } while (again);
    running = false;
  };
  return () => {
    if (running) again = true;
    else void run();
  };
}
