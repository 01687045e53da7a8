import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { bundled } from '#base/worker-entry.ts';
import * as kernel from '#host/kernel.ts';
import { setCloseOnExec } from '#host/descriptor.ts';
import { type Pipe, pipe, spawnProgram } from '#host/spawn.ts';
import { formatSockets, type Listening } from './sockets.ts';

/** What a keeper holds for the engines that it starts. */
export interface KeeperHoldings {
  run: string;
  pidFile: string;
  logFile: string;
  sockets: readonly Listening[];
  /** Holds `engine.lock` of the run folder: as long as a keeper or an engine lives, no second pair starts. */
  lock: number;
  /** The engine's program and arguments. */
  command: readonly string[];
  env: Readonly<Record<string, string>>;
}

/** Starts a keeper that outlives this process. With `adopt` it waits for that engine's end before it starts one. */
export function startKeeper(holdings: KeeperHoldings, alive: Pipe, adopt?: { pid: number; pipe: number }): Promise<number> {
  const { sockets, lock } = holdings;
  const paths = sockets.filter(({ kind }) => kind === 'unix').map(({ shown }) => shown.slice('unix://'.length));
  return spawnProgram({
    path: '/bin/sh',
    args: [script(), holdings.run, holdings.logFile, ...holdings.command],
    env: {
      ...holdings.env,
      GANTRY_LISTEN_FDS: formatSockets(sockets),
      GANTRY_LOCK_FD: String(lock),
      GANTRY_KEEPER_PIPE: `${alive.read},${alive.write}`,
      GANTRY_LOG_FILE: holdings.logFile,
      GANTRY_LEFTOVERS: [...paths, holdings.pidFile].join('\n'),
      ...(adopt === undefined ? {} : { GANTRY_ADOPTED: `${adopt.pid} ${adopt.pipe}` }),
    },
    cwd: '/',
    keep: [...sockets.map(({ fd }) => fd), lock, alive.read, alive.write, ...(adopt === undefined ? [] : [adopt.pipe])],
  });
}

function script(): string {
  return fileURLToPath(new URL(bundled ? './keeper.sh' : '../keeper.sh', import.meta.url));
}

/** Environment that engines get from whoever starts them. */
export function engineEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const wanted = /^(?:PATH|HOME|TMPDIR|TZ|LANG|XDG_.*|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|SSL_CERT_(?:FILE|DIR)|NODE_EXTRA_CA_CERTS|GANTRY_DATA_ROOT|GANTRY_EXEC_ROOT|DOCKER_TEST_RESOLV_CONF_PATH|NODE_COMPILE_CACHE)$/;
  const kept: Record<string, string> = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
  for (const [name, value] of Object.entries(env)) if (value !== undefined && wanted.test(name)) kept[name] = value;
  return kept;
}

/** The pipe by which an engine sees its keeper's end, as passed on by the keeper. */
export function inheritedPipe(env: NodeJS.ProcessEnv): Pipe | undefined {
  const [read, write] = (env['GANTRY_KEEPER_PIPE'] ?? '').split(',').map(Number);
  if (read === undefined || write === undefined || !(read > 2 && write > 2)) return undefined;
  for (const fd of [read, write]) setCloseOnExec(fd);
  return { read, write };
}

/**
 * Watches the keeper from within the engine and puts another in its place when it is gone, so that killing the keeper
 * costs nothing. `onLoss` hears of it.
 */
export function watchKeeper(holdings: KeeperHoldings, alive: Pipe, onLoss: (newPid: number) => void): Disposable {
  // Ours must go, or the pipe would never end.
  kernel.close(alive.write);
  let watched = watchEnd(alive.read, replace);
  let engineEnd: Pipe | undefined;
  let disposed = false;

  async function replace(): Promise<void> {
    if (disposed) return;
    const next = pipe();
    engineEnd ??= pipe();
    const pid = await startKeeper(holdings, next, { pid: process.pid, pipe: engineEnd.read });
    kernel.close(next.write);
    watched = watchEnd(next.read, replace);
    onLoss(pid);
  }

  return {
    [Symbol.dispose]() {
      disposed = true;
      watched.destroy();
    },
  };
}

function watchEnd(fd: number, ended: () => Promise<void>): Socket {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.unref();
  socket.resume();
  socket.once('end', () => void ended());
  return socket;
}
