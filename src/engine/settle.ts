import { rfc3339Nano } from '#base/clock.ts';
import type { ExitStatus } from '#host/runtime.ts';
import { discardBundle } from './bundle.ts';
import type { ContainerRecord } from './container-record.ts';
import { hasProcess } from './container-state.ts';
import { emitContainer, type ContainerContext } from './context.ts';
import { nextRestart } from './restart-policy.ts';

/** Longest wait for a sandbox to go away before the container counts as ended all the same. */
const CLEANUP_DEADLINE = 10_000;

/**
 * After a container's process ended: takes away what the run made, then notes the exit, tells who waits and decides about
 * a restart. The caller holds the lock. Undefined when the container was not running (any more).
 */
export async function settleExit(
  context: ContainerContext,
  id: ContainerRecord['id'],
  status: ExitStatus,
  options: { keepStopped: boolean },
): Promise<{ record: ContainerRecord; restartIn: number | undefined } | undefined> {
  const { store, waits, log } = context;
  const before = store.get(id);
  if (before === undefined || !hasProcess(before.life)) return undefined;
  await cleanUp(context, before);
  // A user may have stopped it meanwhile.
  const { stoppedByUser, restartCount, restartDelay, hostConfig } = store.require(id);
  const duration = Math.max(0, Number(status.at / 1_000_000n) - Date.parse(before.startedAt));
  const restartIn = options.keepStopped
    ? undefined
    : nextRestart(hostConfig.RestartPolicy, { exitCode: status.code, duration, stoppedByUser, restartCount, lastDelay: restartDelay });
  const record = store.transaction(() => {
    const ended = store.change(id, {
      life: restartIn === undefined ? { status: 'exited' } : { status: 'restarting', at: context.clock.now() + restartIn },
      exitCode: status.code,
      oomKilled: status.oomKilled,
      finishedAt: rfc3339Nano(status.at),
      ...(restartIn === undefined ? { restartDelay: 0 } : { restartCount: restartCount + 1, restartDelay: restartIn }),
      ...(before.health === undefined ? {} : { health: { ...before.health, Status: 'unhealthy' } }),
    });
    if (status.oomKilled) emitContainer(context, ended, 'oom');
    emitContainer(context, ended, 'die', { execDuration: String(Math.floor(duration / 1000)), exitCode: String(status.code) });
    return ended;
  });
  log.debug('a container ended', { container: id, exitCode: status.code });
  waits.exited(id, { StatusCode: status.code });
  return { record, restartIn };
}

/** Removes network, mounts, cgroup and bundle of a run. Idempotent; failures are logged and left to the next start. */
export async function cleanUp(context: ContainerContext, record: ContainerRecord): Promise<void> {
  const { networks, volumes, rootfs, log } = context;
  const { id } = record;
  const attempt = async (what: string, task: () => Promise<unknown>): Promise<void> => {
    try {
      await within(task(), CLEANUP_DEADLINE, what);
    } catch (error) {
      log.error(`${what} of an ended container failed`, { container: id, error });
    }
  };
  const published = Object.values(networks.find(id)?.ports ?? {}).some((bindings) => bindings !== null && bindings.length > 0);
  const down = attempt('removing the sandbox', () => networks.down(id));
  await Promise.all([
    // Only a published port could be missed by whoever is told of the end; the next start waits for the sandbox itself.
    published ? down : undefined,
    attempt('removing the cgroup', () => context.runtime(record.hostConfig.Runtime ?? undefined).delete(id)).then(async () => {
      // A process that left the container's pid namespace would still hold the root.
      rootfs.release(id);
      if (record.mounts.some(({ type }) => type === 'volume')) await attempt('unmounting volumes', () => volumes.deactivate(id, 'run'));
    }),
  ]);
  discardBundle(context, record);
}

async function within<T>(task: Promise<T>, milliseconds: number, what: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} took longer than ${milliseconds / 1000} s`)), milliseconds);
  try {
    return await Promise.race([task, promise]);
  } finally {
    clearTimeout(timer);
  }
}
