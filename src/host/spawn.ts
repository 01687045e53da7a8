/**
 * Starting programs without forking the engine: posix_spawn shares the address space until exec. It takes 0.5 ms on a
 * quiet machine but waits until the child was scheduled, hence on a thread of Node's pool; child_process.spawn takes 3 ms of
 * the event loop in a process of 100 MB. The caller reaps (`reap`), Node does not.
 */
import { constants } from 'node:fs';
import { bind, check, errnoError, nativeInterface } from './libc.ts';

const [SETSIGDEF, SETSIGMASK, SETSID] = [0x04, 0x08, 0x80];
const WNOHANG = 1;
// Larger than glibc's and musl's on either architecture.
const OPAQUE = 512;

const c = {
  pipe2: bind('int pipe2(_Out_ int *fds, int flags)'),
  waitpid: bind('int waitpid(int pid, _Out_ int *status, int options)'),
  sigfillset: bind('int sigfillset(void *set)'),
  sigemptyset: bind('int sigemptyset(void *set)'),
  actionsInit: bind('int posix_spawn_file_actions_init(void *actions)'),
  actionsDestroy: bind('int posix_spawn_file_actions_destroy(void *actions)'),
  addDup2: bind('int posix_spawn_file_actions_adddup2(void *actions, int fd, int newfd)'),
  addOpen: bind('int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned int mode)'),
  addChdir: bind('int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)'),
  attributesInit: bind('int posix_spawnattr_init(void *attributes)'),
  attributesDestroy: bind('int posix_spawnattr_destroy(void *attributes)'),
  setFlags: bind('int posix_spawnattr_setflags(void *attributes, short flags)'),
  setSigDefault: bind('int posix_spawnattr_setsigdefault(void *attributes, const void *set)'),
  setSigMask: bind('int posix_spawnattr_setsigmask(void *attributes, const void *set)'),
};

type Strings = (string | null)[];
type Callback = (error: Error | null, status: number) => void;
let posixSpawn: { async: (pid: Buffer, path: string, actions: Buffer, attributes: Buffer, argv: Strings, envp: Strings, done: Callback) => void } | undefined;

/** On a pool thread; resolves to posix_spawn's result, an errno or 0. The arguments are kept until then. */
function spawnOnThread(pid: Buffer, path: string, actions: Buffer, attributes: Buffer, argv: Strings, envp: Strings): Promise<number> {
  posixSpawn ??= nativeInterface()
    .load(null)
    .func('int posix_spawn(void *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)');
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  posixSpawn.async(pid, path, actions, attributes, argv, envp, (error, status) => (error ? reject(error) : resolve(status)));
  return promise;
}

export interface SpawnOptions {
  path: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd?: string;
  /** Descriptors for 0, 1 and 2; `null` is /dev/null. */
  stdio?: readonly [number | null, number | null, number | null];
  /** Descriptors that the child keeps under the same number. Every other close-on-exec one is closed. */
  keep?: readonly number[];
}

/**
 * Starts a program in a session of its own with default signal handling; resolves to its pid. Rejects with the errno of
 * what could not be executed.
 */
export async function spawnProgram(options: SpawnOptions): Promise<number> {
  using call = new PreparedSpawn(options);
  return call.finish(await spawnOnThread(call.pid, call.path, call.actions, call.attributes, call.argv, call.envp));
}

/** posix_spawn's arguments. */
class PreparedSpawn implements Disposable {
  readonly pid = Buffer.alloc(4);
  readonly path: string;
  readonly actions = Buffer.alloc(OPAQUE);
  readonly attributes = Buffer.alloc(OPAQUE);
  readonly argv: Strings;
  readonly envp: Strings;

  constructor({ path, args, env, cwd, stdio = [null, null, null], keep = [] }: SpawnOptions) {
    const { actions, attributes } = this;
    this.path = path;
    this.argv = [path, ...args, null];
    this.envp = [...Object.entries(env).map(([name, value]) => `${name}=${value}`), null];
    const set = Buffer.alloc(128);
    must(c.actionsInit(actions));
    must(c.attributesInit(attributes));
    for (const [target, fd] of stdio.entries()) {
      must(fd === null ? c.addOpen(actions, target, '/dev/null', constants.O_RDWR, 0) : c.addDup2(actions, fd, target));
    }
    // A dup onto itself clears close-on-exec in the child alone.
    for (const fd of keep) must(c.addDup2(actions, fd, fd));
    if (cwd !== undefined) must(c.addChdir(actions, cwd));
    c.sigfillset(set);
    must(c.setSigDefault(attributes, set));
    c.sigemptyset(set);
    must(c.setSigMask(attributes, set));
    must(c.setFlags(attributes, SETSIGDEF | SETSIGMASK | SETSID));
  }

  finish(status: number): number {
    if (status !== 0) throw errnoError(status, 'posix_spawn', this.path);
    return this.pid.readInt32LE();
  }

  [Symbol.dispose](): void {
    c.actionsDestroy(this.actions);
    c.attributesDestroy(this.attributes);
  }
}

function must(status: unknown): void {
  if (Number(status) !== 0) throw errnoError(Number(status), 'posix_spawn');
}

export interface Pipe {
  read: number;
  write: number;
}

/** A close-on-exec pipe. Both ends block unless `nonblocking`. */
export function pipe(nonblocking = false): Pipe {
  const fds: number[] = [0, 0];
  check(c.pipe2(fds, 0x80000 | (nonblocking ? constants.O_NONBLOCK : 0)), 'pipe2');
  return { read: fds[0] ?? -1, write: fds[1] ?? -1 };
}

/**
 * Collects a child of spawnProgram. Undefined while it runs; otherwise its exit code, or 128 + signal.
 * A pid that is no child of ours (any more) counts as 0.
 */
export function reap(pid: number): number | undefined {
  const status: number[] = [0];
  const found = Number(c.waitpid(pid, status, WNOHANG));
  if (found === 0) return undefined;
  return exitCode(found === pid ? (status[0] ?? 0) : 0);
}

let waitForPid: { async: (pid: number, status: Buffer, options: number, done: Callback) => void } | undefined;

/**
 * As `reap` for a child that is about to end: waits on a pool thread. For one whose descriptors are closed already, which
 * takes the kernel another millisecond or two.
 */
export function reapSoon(pid: number): Promise<number> {
  waitForPid ??= nativeInterface().load(null).func('int waitpid(int pid, void *status, int options)');
  const status = Buffer.alloc(4);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  waitForPid.async(pid, status, 0, (error, found) => {
    if (error) reject(error);
    else resolve(exitCode(found === pid ? status.readInt32LE() : 0));
  });
  return promise;
}

const exitCode = (word: number): number => ((word & 0x7f) === 0 ? (word >> 8) & 0xff : 128 + (word & 0x7f));
