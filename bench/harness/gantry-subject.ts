import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDockerCli, until } from '../../test/clients/docker-cli.ts';
import { startEngine } from '../../test/rig.ts';

export interface GantrySubject {
  /** Our CLI as a user starts it: the launcher. */
  cli: readonly string[];
  socket: string;
  /** Forgets what the event loop's histogram holds. */
  resetEventLoopDelay(): Promise<void>;
  /** 99th percentile in milliseconds since the reset. */
  eventLoopDelay(): Promise<number>;
  /** Sentences about memory at rest and per container. */
  memory(image: string): Promise<string[]>;
  /** Forgets the engine's highest resident size. */
  resetPeakMemory(): Promise<void>;
  /** Bytes: the engine's highest resident size since then. */
  peakMemory(): number;
  stop(): Promise<void>;
}

/** Starts Gantry as it is installed (built) in folders of its own. */
export async function startSubject(): Promise<GantrySubject> {
  const launcher = new URL('../../gantry', import.meta.url).pathname;
  // The first use builds; that must not count.
  spawnSync(launcher, ['--version'], { stdio: 'inherit' });
  const engine = await startEngine({ built: true });
  const logFile = join(engine.root, 'log', 'engine.log');
  const readDelay = async (): Promise<number> => {
    const readings = (): string[] => readFileSync(logFile, 'utf8').split('\n').filter((line) => line.includes('event loop delay'));
    const before = readings().length;
    process.kill(engine.enginePid(), 'SIGUSR2');
    await until(async () => readings().length > before);
    return Number(/p99=([\d.]+)/.exec(readings().at(-1)!)![1]);
  };
  return {
    cli: [launcher],
    socket: engine.socket,
    resetEventLoopDelay: async () => void (await readDelay()),
    eventLoopDelay: readDelay,
    memory: async (image) => {
      const docker = createDockerCli(engine.url);
      const pids = [engine.enginePid(), engine.keeperPid()];
      const lines = [`Engine and keeper at rest after this benchmark: ${megabytes(pids.reduce((sum, pid) => sum + proportionalSize(pid), 0))} (PSS), ${megabytes(pids.reduce((sum, pid) => sum + residentSize(pid), 0))} (RSS).`];
      const names = Array.from({ length: 10 }, (_, index) => `gantry-bench-memory-${index}`);
      const before = pids.reduce((sum, pid) => sum + proportionalSize(pid), 0);
      for (const name of names) await docker.ok(['run', '-d', '--name', name, image, 'sleep', '100000']);
      const monitors = monitorsBelow(engine.run).reduce((sum, pid) => sum + residentSize(pid), 0);
      const grown = Math.max(0, pids.reduce((sum, pid) => sum + proportionalSize(pid), 0) - before);
      lines.push(`Each running container beside its own processes: ${megabytes(monitors / names.length)} (its monitor, RSS), engine growth ${megabytes(grown / names.length)} (PSS).`);
      await docker.ok(['rm', '-f', ...names]);
      return lines;
    },
    resetPeakMemory: async () => writeFileSync(`/proc/${engine.enginePid()}/clear_refs`, '5'),
    peakMemory: () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${engine.enginePid()}/status`, 'utf8'))?.[1] ?? 0) * 1024,
    stop: engine.stop,
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function field(path: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(path, 'utf8'))?.[1] ?? 0) * 1024;
}

const proportionalSize = (pid: number): number => field(`/proc/${pid}/smaps_rollup`, 'Pss');
const residentSize = (pid: number): number => field(`/proc/${pid}/status`, 'VmRSS');

/** conmon processes whose command line names this run folder. */
function monitorsBelow(run: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return words.includes('conmon') && words.includes(run);
      } catch {
        return false;
      }
    });
}
