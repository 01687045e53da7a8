/** The OCI runtime's and the monitor's ports: how the engine makes, watches and ends processes in containers. */
import type { LinuxResources, Process } from '#spec/oci-runtime.ts';
import type { OutputChunk } from '#spec/streams.ts';

/** crun, or another runtime with the same command line. Every call has a deadline; a hang becomes `unavailable`. */
export interface Runtime {
  readonly name: string;
  readonly path: string;
  /** Lets the created process run its program (crun: writes the exec fifo itself, without a spawn). */
  start(id: string): Promise<void>;
  /** `all` signals every process in the container. Resolves false when nothing was there to signal. */
  kill(id: string, signal: number, all?: boolean): Promise<boolean>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  update(id: string, resources: LinuxResources): Promise<void>;
  /** Removes what the runtime keeps: state folder and cgroups. Idempotent; kills what is still there. */
  delete(id: string): Promise<void>;
}

export interface MonitorOptions {
  /** Container or exec id; names the exit file and, for containers, the runtime's container. */
  id: string;
  bundle: string;
  runtime: string;
  runtimeState: string;
  exitDir: string;
  terminal: boolean;
  stdin: boolean;
  /** Keep stdin open after the first attached client left. */
  stdinStaysOpen: boolean;
  /** k8s-file log, or undefined for none. */
  log: { path: string; maxBytes: number | undefined } | undefined;
  /** Set for an exec: the container to enter and the process to run there. */
  exec?: { container: string; process: Process; pidFile: string };
}

/** An exec of which everything is known but what it runs. */
export type ExecTarget = Omit<MonitorOptions, 'exec'> & { exec: Omit<NonNullable<MonitorOptions['exec']>, 'process'> };

export interface MonitoredProcess {
  /** Host pid of the container's (or exec's) first process. */
  pid: number;
  monitorPid: number;
}

/** What the monitor said when the runtime refused, parsed: 127 not found, 126 not executable, else 128. */
export interface RuntimeRefusal {
  exitCode: 126 | 127 | 128;
  message: string;
}

export interface AttachConnection {
  /** Ends when the monitor closes (the process is gone and its output drained) or `close` is called. */
  readonly output: AsyncIterable<OutputChunk>;
  write(data: Uint8Array): Promise<void>;
  endInput(): void;
  close(): void;
}

export interface Monitor {
  /** An exec was made that is likely to be launched with a client in a moment. Never fails; nothing is owed when it is not. */
  expect(target: ExecTarget): void;
  /**
   * Starts a conmon, which has the runtime create the container (not start it) or run the exec.
   * Throws EngineError with `details.refusal: RuntimeRefusal` when the runtime said no; nothing is left behind then.
   * `beforeStart` is for an exec with a client: in it `attach` works, and what is attached there misses nothing. Such an
   * exec without a terminal runs without a monitor, in half the time: the runtime is the engine's child. When the engine
   * dies, that process meets closed pipes and its exit code is lost; `pid` is 0 when it ended too soon to be seen.
   */
  launch(options: MonitorOptions, beforeStart?: () => Promise<void>): Promise<MonitoredProcess>;
  /**
   * `input: false` for a client that only watches: closing it never ends the process's stdin. Closing one with input does,
   * unless stdin stays open.
   */
  attach(bundle: string, options?: { input: boolean }): Promise<AttachConnection>;
  resize(bundle: string, size: { height: number; width: number }): Promise<void>;
  /** After the log file was renamed: makes conmon open a new one. Resolves when the new file exists. */
  reopenLog(bundle: string, path: string): Promise<void>;
  /**
   * After the process was killed: resolves when its monitor is gone and writes no exit file any more; after two seconds it
   * is killed. Before the bundle is removed and the exit forgotten.
   */
  settle(bundle: string): Promise<void>;
  /** Calls back for every exit file that appears; exits from before the call are delivered too. */
  watchExits(exitDir: string, onExit: (id: string, status: ExitStatus) => void): Disposable;
  /** The exit file's content, or undefined. */
  readExit(exitDir: string, id: string): ExitStatus | undefined;
  /** Removes what remembers the exit; before the container starts again, or when it or the exec is removed. Idempotent. */
  forgetExit(exitDir: string, id: string): void;
}

export interface ExitStatus {
  code: number;
  /** When the exit file was written, nanoseconds since the epoch. */
  at: bigint;
  /** conmon saw the kernel's OOM notice for the container's cgroup. */
  oomKilled: boolean;
}

/** Facts of /proc about a pid, with the start time that makes a pid unmistakable. */
export interface Processes {
  /** Clock ticks since boot of the process's start, or undefined when there is none (zombies count as none). */
  startTime(pid: number): number | undefined;
  isAlive(pid: number, startTime: number): boolean;
}
