import type { VertexEvent } from './progress.ts';

interface Flight<T> {
  controller: AbortController;
  result: Promise<T>;
  /** What happened so far, for who joins later. */
  past: VertexEvent[];
  listeners: Set<(event: VertexEvent) => void>;
  users: number;
}

const KEPT_EVENTS = 1000;

/**
 * Work that is done once for all who want it at the same time. Each user sees its progress; it is given up when the last
 * user has gone.
 */
export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>();

  async run(
    key: string,
    signal: AbortSignal,
    listen: (event: VertexEvent) => void,
    task: (signal: AbortSignal, tell: (event: VertexEvent) => void) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    let flight = this.#flights.get(key);
    if (flight === undefined || flight.controller.signal.aborted) flight = this.#start(key, task);
    const own = flight;
    own.users++;
    for (const event of own.past) listen(event);
    own.listeners.add(listen);
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([own.result, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      own.listeners.delete(listen);
      own.users--;
      if (own.users === 0) {
        own.controller.abort(signal.reason ?? new Error('nobody waits for it any more'));
        // Who gave up waits until the work has really stopped: then nothing of it is left.
        if (signal.aborted) await own.result.catch(() => {});
      }
    }
  }

  #start(key: string, task: (signal: AbortSignal, tell: (event: VertexEvent) => void) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const flight: Flight<T> = { controller, past: [], listeners: new Set(), users: 0, result: undefined as never };
    const tell = (event: VertexEvent): void => {
      if (flight.past.length < KEPT_EVENTS) flight.past.push(event);
      for (const listener of flight.listeners) listener(event);
    };
    flight.result = task(controller.signal, tell).finally(() => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    flight.result.catch(() => {});
    this.#flights.set(key, flight);
    return flight;
  }
}
