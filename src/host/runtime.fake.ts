/** Runtime, monitor and processes without a machine: a test says when a process ends. */
import type { LinuxResources } from '#spec/oci-runtime.ts';
import type { OutputChunk } from '#spec/streams.ts';
import type { AttachConnection, ExitStatus, Monitor, MonitoredProcess, MonitorOptions, Processes, Runtime } from './runtime.ts';

interface FakeProcess {
  pid: number;
  options: MonitorOptions;
  running: boolean;
  connections: FakeConnection[];
}

export class FakeMachine {
  readonly processes = new Map<string, FakeProcess>();
  readonly exits = new Map<string, ExitStatus>();
  /** Signals as `id:number`, in order. */
  readonly signals: string[] = [];
  /** Runtime calls as `verb:id`, in order. */
  readonly calls: string[] = [];
  /** Set to make the next launch fail. */
  refuse: Error | undefined;
  /** Signals that end a process at once. */
  deadly = new Set([9, 15]);
  #nextPid = 100;
  #listeners = new Set<(id: string, status: ExitStatus) => void>();

  readonly monitor: Monitor = {
    expect: () => {},
    launch: async (options, beforeStart) => this.#launch(options, beforeStart),
    attach: async (bundle) => this.#attach(bundle),
    resize: async () => {},
    reopenLog: async () => {},
    settle: async () => {},
    watchExits: (_dir, onExit) => {
      this.#listeners.add(onExit);
      return { [Symbol.dispose]: () => void this.#listeners.delete(onExit) };
    },
    readExit: (_dir, id) => this.exits.get(id),
    forgetExit: (_dir, id) => void this.exits.delete(id),
  };

  readonly runtime: Runtime = {
    name: 'crun',
    path: '/usr/bin/crun',
    start: async (id) => this.#note('start', id),
    kill: async (id, signal) => {
      this.signals.push(`${id}:${signal}`);
      if (this.deadly.has(signal)) this.end(id, 128 + signal);
      return true;
    },
    pause: async (id) => this.#note('pause', id),
    resume: async (id) => this.#note('resume', id),
    update: async (id, _resources: LinuxResources) => this.#note('update', id),
    delete: async (id) => {
      this.#note('delete', id);
      const process = this.processes.get(id);
      if (process) process.running = false;
    },
  };

  readonly table: Processes = {
    startTime: (pid) => (this.#byPid(pid)?.running ? 1 : undefined),
    isAlive: (pid) => this.#byPid(pid)?.running ?? false,
  };

  /** The process ends: its exit file appears and who watches is told. */
  end(id: string, code: number, oomKilled = false): void {
    const process = this.processes.get(id);
    if (!process?.running) return;
    process.running = false;
    const status = { code, at: BigInt(Date.now()) * 1_000_000n, oomKilled };
    this.exits.set(id, status);
    for (const connection of process.connections) connection.close();
    for (const listener of this.#listeners) listener(id, status);
  }

  /** The process is gone without a word. */
  vanish(id: string): void {
    const process = this.processes.get(id);
    if (process) process.running = false;
  }

  async #launch(options: MonitorOptions, beforeStart: (() => Promise<void>) | undefined): Promise<MonitoredProcess> {
    this.#note('launch', options.id);
    if (this.refuse) {
      const refusal = this.refuse;
      this.refuse = undefined;
      throw refusal;
    }
    const pid = this.#nextPid++;
    this.processes.set(options.id, { pid, options, running: true, connections: [] });
    await beforeStart?.();
    return { pid, monitorPid: 0 };
  }

  #attach(bundle: string): AttachConnection {
    const connection = new FakeConnection();
    for (const process of this.processes.values()) if (process.options.bundle === bundle) process.connections.push(connection);
    return connection;
  }

  #byPid(pid: number): FakeProcess | undefined {
    return [...this.processes.values()].find((process) => process.pid === pid);
  }

  #note(verb: string, id: string): void {
    this.calls.push(`${verb}:${id}`);
  }
}

export class FakeConnection implements AttachConnection {
  readonly written: Uint8Array[] = [];
  readonly #chunks: OutputChunk[] = [];
  #closed = false;
  #wake = Promise.withResolvers<void>();
  readonly output: AsyncIterable<OutputChunk> = { [Symbol.asyncIterator]: () => this.#read() };

  say(stream: 'stdout' | 'stderr', text: string): void {
    this.#chunks.push({ stream, data: Buffer.from(text) });
    this.#wake.resolve();
  }

  async write(data: Uint8Array): Promise<void> {
    this.written.push(data);
  }

  endInput(): void {}

  close(): void {
    this.#closed = true;
    this.#wake.resolve();
  }

  async *#read(): AsyncGenerator<OutputChunk> {
    for (;;) {
      for (let chunk = this.#chunks.shift(); chunk; chunk = this.#chunks.shift()) yield chunk;
      if (this.#closed) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}
