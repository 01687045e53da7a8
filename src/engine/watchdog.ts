import type { ExitStatus } from '#host/runtime.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { ContainerContext } from './context.ts';
import { hasProcess } from './container-state.ts';

const INTERVAL = 1000;
/** Looks at a dead process without an exit file before its monitor counts as lost. */
const PATIENCE = 2;

/**
 * Notices containers that ended without their monitor saying so: conmon was killed, or an exit file's notice was missed.
 * One look costs one small read of /proc a container.
 */
export class Watchdog implements Disposable {
  readonly #context: Pick<ContainerContext, 'store' | 'monitor' | 'layout' | 'processes' | 'clock' | 'log'>;
  readonly #ended: (id: ContainerId, status: ExitStatus) => void;
  readonly #missing = new Map<ContainerId, number>();
  readonly #orphans = new Set<ContainerId>();
  readonly #timer: NodeJS.Timeout;

  constructor(context: Pick<ContainerContext, 'store' | 'monitor' | 'layout' | 'processes' | 'clock' | 'log'>, ended: (id: ContainerId, status: ExitStatus) => void) {
    this.#context = context;
    this.#ended = ended;
    this.#timer = setInterval(() => this.look(), INTERVAL).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  look(): void {
    const { store, monitor, layout, processes, clock, log } = this.#context;
    for (const { id, life } of store.all()) {
      if (!hasProcess(life)) {
        this.#missing.delete(id);
        this.#orphans.delete(id);
        continue;
      }
      const { pid, startTime, monitorPid, monitorStartTime } = life.process;
      if (processes.isAlive(pid, startTime)) {
        this.#missing.delete(id);
        if (!this.#orphans.has(id) && monitorPid > 0 && !processes.isAlive(monitorPid, monitorStartTime)) {
          this.#orphans.add(id);
          log.error('the monitor of a running container is gone: its output is lost, its exit code will be unknown', { container: id });
        }
        continue;
      }
      const status = monitor.readExit(layout.exits, id);
      const looks = (this.#missing.get(id) ?? 0) + 1;
      this.#missing.set(id, looks);
      const monitorLives = monitorPid > 0 && processes.isAlive(monitorPid, monitorStartTime);
      // conmon may still be draining what a grandchild writes.
      if (status) this.#ended(id, status);
      else if (looks >= PATIENCE && !monitorLives) this.#ended(id, { code: 137, at: clock.nowNanos(), oomKilled: false });
    }
  }
}
