/** The machine's own engine as its files tell it: pid files, /proc and the log. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultFolders, defaultSocket, type EngineFolders } from '#base/folders.ts';

export interface OwnEngine extends EngineFolders {
  socket: string;
  /** Undefined when no engine runs. */
  pid: number | undefined;
  /** Undefined under systemd, and when nothing runs. */
  keeper: number | undefined;
  logFile: string;
}

export function ownFolders(): EngineFolders {
  return defaultFolders({ user: process.geteuid?.() ?? 0, env: process.env });
}

/** `folders`: the engine's, when it was started with other ones than the default. */
export function findEngine(folders: EngineFolders = ownFolders()): OwnEngine {
  return {
    ...folders,
    socket: defaultSocket(folders),
    pid: livePid(join(folders.run, 'engine.pid'), /\bdaemon\.(?:js|ts)\b/),
    keeper: livePid(join(folders.run, 'keeper.pid'), /\bkeeper\.sh\b/),
    logFile: join(folders.root, 'log', 'engine.log'),
  };
}

/** The pid in a file, if that process lives and is what it should be: pids are used again. */
function livePid(path: string, expected: RegExp): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
    return expected.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ? pid : undefined;
  } catch {
    return undefined;
  }
}

export interface ProcessFacts {
  /** Resident memory in bytes. */
  memory: number;
  /** Milliseconds since the epoch. */
  startedAt: number;
}

/** Undefined when the process ended meanwhile. */
export function processFacts(pid: number): ProcessFacts | undefined {
  try {
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    const boot = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
    // Clock ticks are hundredths of a second on every Linux that Node runs on.
    return { memory: Number(resident ?? 0) * 1024, startedAt: (boot + ticks / 100) * 1000 };
  } catch {
    return undefined;
  }
}

/** What the keeper listens at; our default socket when it cannot be known. */
export function socketsOf({ keeper, pid, socket }: OwnEngine): string[] {
  for (const process of [keeper, pid]) {
    if (process === undefined) continue;
    try {
      const environment = readFileSync(`/proc/${process}/environ`, 'utf8').split('\0');
      const listed = environment.find((item) => item.startsWith('GANTRY_LISTEN_FDS='));
      if (listed) return listed.slice('GANTRY_LISTEN_FDS='.length).split(',').map((item) => item.slice(item.indexOf('=') + 1));
    } catch {
      // Another user's process.
    }
  }
  return existsSync(socket) ? [`unix://${socket}`] : [];
}
