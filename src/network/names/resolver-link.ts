import { connect, type Socket } from 'node:net';
import { EngineError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { withShortPath } from '#host/kernel.ts';
import { reap } from '#host/spawn.ts';
import { MAKING_ROOM, resolverSocket, type ResolverOrder } from './resolver-order.ts';

/** Milliseconds: between two attempts, until another resolver is started, and until nobody is kept waiting any more. */
const PAUSE = 20;
const RESTART_AFTER = 400;
const MOST_WAITING = 2000;

/**
 * An engine's connection to its resolver. A resolver reads every sheet before it listens, so that orders which were on the
 * way when the former one ended are carried out as soon as there is a connection again.
 */
export class ResolverLink {
  readonly #path: string;
  readonly #start: () => Promise<number>;
  readonly #log: Log;
  readonly #build: string;
  #connection: Socket | undefined;
  #connecting: Promise<Socket> | undefined;
  #number = 0;
  readonly #waiting = new Map<number, () => void>();
  /** Of the shell that we started, to be collected when it ended. */
  #shell: number | undefined;
  #known = false;
  /** One was started and does not listen yet. */
  #starting = false;
  #closed = false;

  constructor(options: { run: string; build: string; start: () => Promise<number>; log: Log }) {
    this.#build = options.build;
    this.#path = resolverSocket(options.run);
    this.#start = options.start;
    this.#log = options.log;
  }

  /** Starts the resolver when none answers; from then on one is kept alive. */
  async open(): Promise<void> {
    await this.#connected();
  }

  /** Resolves when the order was carried out; also, with a word in the log, when that takes too long. */
  async tell(order: Omit<ResolverOrder, 'number'>): Promise<void> {
    const number = ++this.#number;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(number, resolve);
    const timer = setTimeout(() => {
      this.#log.warn('the resolver does not answer; names may be missing for a while', { order });
      resolve();
    }, MOST_WAITING);
    try {
      const connection = this.#connection ?? (await Promise.race([this.#connected(), promise]));
      connection?.write(`${JSON.stringify({ number, ...order })}\n`);
      await promise;
    } catch (error) {
      this.#log.warn('the resolver cannot be reached; names are missing', { error });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(number);
    }
  }

  /** Ends the resolver, whoever started it; nothing is left of it when this resolves. */
  async end(): Promise<void> {
    this.#closed = true;
    const connection = this.#connection ?? (await (this.#connecting ?? attempt(this.#path)).catch(() => undefined));
    if (connection !== undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      connection.ref();
      connection.resume();
      connection.once('close', () => resolve());
      connection.write(`${JSON.stringify({ number: 0, end: true } satisfies ResolverOrder)}\n`);
      await promise;
    }
    for (let tries = 0; tries < 100 && this.#shell !== undefined; tries++) {
      if (reap(this.#shell) !== undefined) this.#shell = undefined;
      else await pause();
    }
    this.#known = this.#closed = false;
  }

  /** The resolver goes on. */
  close(): void {
    this.#closed = true;
    this.#connection?.destroy();
  }

  #connected(): Promise<Socket> {
    this.#connecting ??= this.#connect().catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Socket> {
    let restartAt = this.#known ? Date.now() + RESTART_AFTER : 0;
    for (;;) {
      const socket = await attempt(this.#path);
      if (socket !== undefined) {
        this.#adopt(socket);
        return socket;
      }
      if (this.#closed && !this.#starting) throw new EngineError('unavailable', 'the engine ends');
      if (Date.now() >= restartAt) {
        this.#starting = true;
        if (this.#shell !== undefined) reap(this.#shell);
        this.#shell = await this.#start();
        restartAt = Date.now() + 5 * RESTART_AFTER;
      }
      await pause();
    }
  }

  #adopt(socket: Socket): void {
    this.#starting = false;
    // From now on the shell beside it starts the next one.
    this.#known = true;
    this.#connection = socket;
    socket.unref();
    socket.write(`${JSON.stringify({ number: 0, build: this.#build } satisfies ResolverOrder)}\n`);
    let received = '';
    socket.on('data', (data) => {
      const lines = (received + data.toString('latin1')).split('\n');
      received = lines.pop() ?? '';
      for (const line of lines) {
        // The shell beside a resolver that makes room ends with it.
        if (line === MAKING_ROOM) this.#known = false;
        else this.#waiting.get(Number(line))?.();
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#connection = undefined;
      this.#connecting = undefined;
      if (this.#closed) return;
      this.#connected().then(
        () => {
          for (const resolve of this.#waiting.values()) resolve();
          this.#log.warn('the resolver was gone; another took its place');
        },
        () => {},
      );
    });
  }
}

function attempt(path: string): Promise<Socket | undefined> {
  return withShortPath(
    path,
    (short) =>
      new Promise((resolve) => {
        const socket = connect(short);
        socket.once('connect', () => resolve(socket));
        socket.once('error', () => resolve(undefined));
      }),
  );
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE));
