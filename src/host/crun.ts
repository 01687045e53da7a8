import { closeSync, constants, existsSync, openSync, readFileSync, rmSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, isErrno } from '#base/errors.ts';
import type { LinuxResources } from '#spec/oci-runtime.ts';
import { cgroupPids, isFrozen, killCgroup, liftLimits, removeCgroup, setFrozen, type CgroupHierarchies } from './cgroup.ts';
import { sendSignal } from './pidfd.ts';
import { spawnCollect } from './process.ts';
import type { Runtime } from './runtime.ts';

export interface CrunOptions {
  /** The program; a runtime of another name is driven by its command line alone. */
  path: string;
  name: string;
  /** `--root`. */
  stateRoot: string;
  cgroups: CgroupHierarchies;
  /** Milliseconds for each call of the program. */
  deadline?: number;
}

/** What crun keeps of a container in `<root>/<id>/status`. */
export interface RuntimeStatus {
  pid: number;
  startTime: number;
  cgroupPath: string;
}

export function parseCrunStatus(text: string): RuntimeStatus | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const status = value as Record<string, unknown>;
  const [pid, startTime, cgroupPath] = [status['pid'], status['process-start-time'], status['cgroup-path']];
  return typeof pid === 'number' && typeof startTime === 'number' && typeof cgroupPath === 'string'
    ? { pid, startTime, cgroupPath }
    : undefined;
}

/** runc's `<root>/<id>/state.json`. */
export function parseRuncState(text: string, mountPoints: Iterable<string>): RuntimeStatus | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const state = value as Record<string, unknown>;
  const [pid, startTime] = [state['init_process_pid'], state['init_process_start']];
  const paths = Object.values((state['cgroup_paths'] ?? {}) as Record<string, unknown>).filter((path) => typeof path === 'string');
  if (typeof pid !== 'number' || typeof startTime !== 'number') return undefined;
  for (const root of mountPoints) {
    const path = paths.find((candidate) => candidate.startsWith(`${root}/`));
    if (path !== undefined) return { pid, startTime, cgroupPath: path.slice(root.length) };
  }
  return undefined;
}

/** What the runtime keeps of a container; undefined when it knows none of that id. */
export function readRuntimeStatus(stateRoot: string, id: string, cgroups: CgroupHierarchies): RuntimeStatus | undefined {
  if (!existsSync(join(stateRoot, id))) return undefined;
  const crun = readState(join(stateRoot, id, 'status'));
  if (crun !== undefined) return parseCrunStatus(crun);
  const runc = readState(join(stateRoot, id, 'state.json'));
  if (runc === undefined) return undefined;
  const roots = [...cgroups.v1.values(), ...(cgroups.unified === undefined ? [] : [cgroups.unified])];
  return parseRuncState(runc, roots);
}

function readState(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** The `Runtime` port on crun, or on runc and what behaves like it. */
export function createCrun(options: CrunOptions): Runtime {
  return new Crun(options);
}

class Crun implements Runtime {
  readonly name: string;
  readonly path: string;
  readonly #root: string;
  readonly #cgroups: CgroupHierarchies;
  readonly #deadline: number;
  /** Only crun's own files and fifos are known well enough to do its work without starting it. */
  readonly #direct: boolean;

  constructor(options: CrunOptions) {
    this.name = options.name;
    this.path = options.path;
    this.#root = options.stateRoot;
    this.#cgroups = options.cgroups;
    this.#deadline = options.deadline ?? 30_000;
    this.#direct = options.name === 'crun';
  }

  async start(id: string): Promise<void> {
    if (this.#direct && !this.#hasHooks(id, 'poststart') && this.#writeExecFifo(id)) return;
    await this.#call('start', id);
  }

  /** crun's init waits for a byte in this fifo; crun removes the name first, which is how it tells "created" from "running". */
  #writeExecFifo(id: string): boolean {
    const path = join(this.#root, id, 'exec.fifo');
    let fd: number;
    try {
      fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      // No fifo, or ENXIO: nobody waits. crun itself finds the words for it.
      if (isErrno(error, 'ENOENT', 'ENXIO')) return false;
      throw error;
    }
    try {
      unlinkSync(path);
      writeSync(fd, '\0');
      return true;
    } finally {
      closeSync(fd);
    }
  }

  /** Hooks that belong to a step which is done here instead of by crun. */
  #hasHooks(id: string, stage: 'poststart' | 'poststop'): boolean {
    const config = readState(join(this.#root, id, 'config.json'));
    return config !== undefined && config.includes(`"${stage}"`);
  }

  async kill(id: string, signal: number, all = false): Promise<boolean> {
    const status = this.#status(id);
    if (status === undefined) return this.#isForeign(id) && this.#killByProgram(id, signal, all);
    if (!all) return sendSignal(status.pid, status.startTime, signal);
    if (signal === 9) return killCgroup(this.#cgroups, status.cgroupPath);
    let any = false;
    for (const pid of cgroupPids(this.#cgroups, status.cgroupPath)) any = sendSignal(pid, undefined, signal) || any;
    return any;
  }

  /** A runtime whose state files are not known here keeps something of the container. */
  #isForeign(id: string): boolean {
    return !this.#direct && existsSync(join(this.#root, id));
  }

  async #killByProgram(id: string, signal: number, all: boolean): Promise<boolean> {
    return (await this.#spawn('kill', ...(all ? ['--all'] : []), id, String(signal))).code === 0;
  }

  async pause(id: string): Promise<void> {
    if (this.#status(id) === undefined && this.#isForeign(id)) await this.#call('pause', id);
    else await this.#freeze(id, true);
  }

  async resume(id: string): Promise<void> {
    if (this.#status(id) === undefined && this.#isForeign(id)) await this.#call('resume', id);
    else await this.#freeze(id, false);
  }

  async #freeze(id: string, frozen: boolean): Promise<void> {
    const status = this.#status(id);
    if (status === undefined) throw new EngineError('not_found', `the runtime knows no container ${id}`);
    setFrozen(this.#cgroups, status.cgroupPath, frozen);
    for (let waited = 0; waited < this.#deadline; waited += 5) {
      if (isFrozen(this.#cgroups, status.cgroupPath) === frozen) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
      // v1 takes processes that forked meanwhile into account only when asked again.
      setFrozen(this.#cgroups, status.cgroupPath, frozen);
    }
    setFrozen(this.#cgroups, status.cgroupPath, false);
    throw new EngineError('unavailable', `the processes did not ${frozen ? 'freeze' : 'thaw'} within ${this.#deadline / 1000} s`);
  }

  async update(id: string, resources: LinuxResources): Promise<void> {
    // Node's pipes are sockets, which crun cannot open as /dev/stdin. The file goes with the state folder after a crash.
    const file = join(this.#root, id, 'update.json');
    const status = this.#status(id);
    if (status === undefined) throw new EngineError('not_found', `the runtime knows no container ${id}`);
    const rest = liftLimits(this.#cgroups, status.cgroupPath, resources);
    if (Object.keys(rest).length === 0) return;
    writeFileSync(file, JSON.stringify(rest), { mode: 0o600 });
    try {
      await this.#call('update', '--resources', file, id);
    } finally {
      rmSync(file, { force: true });
    }
  }

  async delete(id: string): Promise<void> {
    const folder = join(this.#root, id);
    const status = this.#status(id);
    if (this.#direct && status !== undefined && !this.#hasHooks(id, 'poststop') && (await this.#removeCgroup(status))) {
      rmSync(folder, { recursive: true, force: true });
      return;
    }
    if (status === undefined && !existsSync(folder)) return;
    const { code, stderr } = await this.#spawn('delete', '--force', id);
    if (code !== 0 && existsSync(folder) && !/does not exist/.test(stderr)) throw this.#failed('delete', stderr);
    rmSync(folder, { recursive: true, force: true });
  }

  async #removeCgroup(status: RuntimeStatus): Promise<boolean> {
    sendSignal(status.pid, status.startTime, 9);
    for (const pause of [0, 1, 2, 4, 8, 16, 32, 64, 128, 256]) {
      if (removeCgroup(this.#cgroups, status.cgroupPath)) return true;
      if (isFrozen(this.#cgroups, status.cgroupPath)) setFrozen(this.#cgroups, status.cgroupPath, false);
      killCgroup(this.#cgroups, status.cgroupPath);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    return false;
  }

  #status(id: string): RuntimeStatus | undefined {
    return readRuntimeStatus(this.#root, id, this.#cgroups);
  }

  async #call(...args: string[]): Promise<void> {
    const { code, stderr } = await this.#spawn(...args);
    if (code !== 0) throw this.#failed(args[0] ?? '', stderr);
  }

  #spawn(...args: string[]): Promise<{ code: number; stderr: string }> {
    return spawnCollect(this.path, [`--root=${this.#root}`, ...args], { deadline: this.#deadline });
  }

  #failed(action: string, stderr: string): EngineError {
    const message = stderr.trim().split('\n').at(-1)?.replace(/^(?:crun|runc): /, '') ?? '';
    return new EngineError('internal', `${this.name} ${action} failed: ${message === '' ? 'no message' : message}`);
  }
}
