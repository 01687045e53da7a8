import type { ContainerId } from '#spec/ids.ts';
import type { ContainerWaitResponse } from '#spec/wire/container.ts';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

interface Waiter {
  condition: WaitCondition;
  resolve: (result: ContainerWaitResponse) => void;
}

/** Clients that wait for containers to end or to be removed. */
export class ContainerWaits {
  readonly #waiters = new Map<ContainerId, Set<Waiter>>();

  /** Resolves at the next exit or removal; never rejects. An abort forgets the waiter and leaves the promise pending. */
  next(id: ContainerId, condition: WaitCondition, signal: AbortSignal): Promise<ContainerWaitResponse> {
    const { promise, resolve } = Promise.withResolvers<ContainerWaitResponse>();
    const waiter: Waiter = { condition, resolve };
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(waiter));
    const forget = (): void => {
      waiters.delete(waiter);
      if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id);
    };
    signal.addEventListener('abort', forget, { once: true });
    void promise.then(() => signal.removeEventListener('abort', forget));
    return promise;
  }

  /** The container's process ended, or its start failed. */
  exited(id: ContainerId, result: ContainerWaitResponse): void {
    this.#settle(id, result, (waiter) => waiter.condition !== 'removed');
  }

  removed(id: ContainerId, result: ContainerWaitResponse): void {
    this.#settle(id, result, () => true);
  }

  #settle(id: ContainerId, result: ContainerWaitResponse, concerned: (waiter: Waiter) => boolean): void {
    const waiters = this.#waiters.get(id);
    for (const waiter of waiters ?? []) {
      if (!concerned(waiter)) continue;
      waiters?.delete(waiter);
      waiter.resolve(result);
    }
    if (waiters?.size === 0) this.#waiters.delete(id);
  }
}
