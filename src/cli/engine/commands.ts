/** `gantry engine start|stop|restart`: the machine's own engine. */
import { setTimeout as delay } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { createClient } from '#api/client/client.ts';
import { type Command, CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { engineArguments, engineFlags } from './engine-flags.ts';
import { findEngine, type OwnEngine, ownFolders } from './own-engine.ts';
import { ensureEngine, untilAnswers } from './start-engine.ts';
import { systemdRuns, systemctl } from './systemd.ts';

export const start: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Start the engine',
  long: 'Starts the engine unless it runs, and returns when it answers. Options are those of the configuration file; any command that needs the engine starts it too.',
  flags: engineFlags,
  args: { min: 0, max: 0 },
  async run({ cli, flags, given }) {
    const args = engineArguments(flags, given);
    const folders = foldersOf(flags as Readonly<Record<string, unknown>>);
    const before = findEngine(folders);
    if (before.pid !== undefined) {
      cli.out.line(`The engine runs already (pid ${before.pid}).${args.length > 0 ? ' The options were not applied; restart it with them.' : ''}`);
      return 0;
    }
    if (args.length === 0 && systemdRuns()) {
      await systemctl('start', 'gantry.socket', 'gantry.service');
      await untilAnswers(before.socket);
    } else await ensureEngine({ args, folders });
    const { pid, socket } = findEngine(folders);
    cli.out.line(`The engine runs (pid ${pid ?? '?'}) and listens at unix://${socket}.`);
    return 0;
  },
});

/** Options that say where the engine's folders are, for the other commands. */
const folderFlags = {
  'data-root': flag.text('Data folder of the engine, when it is not the usual one', { complete: 'file' }),
  'exec-root': flag.text('Run folder of the engine, when it is not the usual one', { complete: 'file' }),
};

export const stop: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Stop the engine; containers go on running',
  flags: { ...folderFlags, containers: flag.bool('Stop the running containers first') },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const engine = findEngine(foldersOf(flags));
    if (engine.pid === undefined && engine.keeper === undefined) {
      cli.out.line('The engine does not run.');
      return 0;
    }
    const left = engine.pid === undefined ? [] : await handleContainers(engine, flags.containers);
    await endEngine(engine);
    cli.out.line(left.length === 0 ? 'The engine is stopped.' : `The engine is stopped. ${containerCount(left.length)} running; the next engine finds them again.`);
    return 0;
  },
});

export const restart: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Start a new engine in the place of the running one; containers go on, clients wait',
  flags: folderFlags,
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const folders = foldersOf(flags);
    const { keeper, pid } = findEngine(folders);
    if (pid === undefined && keeper === undefined) await ensureEngine({ folders });
    else if (keeper !== undefined) {
      process.kill(keeper, 'SIGUSR1');
      await untilOther(folders, pid);
    } else if (systemdRuns()) {
      await systemctl('restart', 'gantry.service');
      await untilOther(folders, pid);
    } else throw new CliError(`the engine (pid ${pid}) was started by hand and has no keeper: end it and use 'gantry engine start'`);
    cli.out.line(`The engine runs (pid ${findEngine(folders).pid ?? '?'}).`);
    return 0;
  },
});

async function untilOther(folders: OwnEngine | { root: string; run: string }, former: number | undefined): Promise<void> {
  for (let tries = 0; tries < 3000; tries++) {
    const { pid } = findEngine(folders);
    if (pid !== undefined && pid !== former) return untilAnswers(findEngine(folders).socket, folders);
    await delay(10);
  }
  throw new CliError(`the engine (pid ${former}) does not end; 'gantry engine logs' may tell why`);
}

export function foldersOf(flags: Readonly<Record<string, unknown>>): { root: string; run: string } {
  const pick = (value: unknown): string | undefined => {
    const last: unknown = Array.isArray(value) ? value.at(-1) : value;
    return typeof last === 'string' && last !== '' ? last : undefined;
  };
  const usual = ownFolders();
  return { root: pick(flags['data-root']) ?? usual.root, run: pick(flags['exec-root']) ?? usual.run };
}

/** Ids of the containers that run on. An engine that does not answer is not asked twice. */
async function handleContainers({ socket }: OwnEngine, stopThem: boolean): Promise<string[]> {
  const client = createClient({ host: `unix://${socket}` });
  try {
    const running = (await client.containers.list()).flatMap(({ Id }) => Id ?? []);
    if (!stopThem) return running;
    await Promise.all(running.map((id) => client.containers.stop(id)));
    return [];
  } catch (error) {
    if (stopThem) throw error;
    return [];
  } finally {
    client.close();
  }
}

function containerCount(count: number): string {
  return count === 1 ? 'One container goes on' : `${count} containers go on`;
}

async function endEngine({ keeper, pid }: OwnEngine): Promise<void> {
  if (keeper === undefined && systemdRuns()) {
    await systemctl('stop', 'gantry.socket', 'gantry.service');
    return;
  }
  const target = keeper ?? pid;
  if (target === undefined) return;
  process.kill(target, 'SIGTERM');
  const alive = (): boolean => [keeper, pid].some((process_) => process_ !== undefined && isAlive(process_));
  for (let tries = 0; alive(); tries++) {
    if (tries > 3000) throw new CliError(`the engine (pid ${pid ?? target}) does not end; 'gantry engine logs' may tell why`);
    await delay(10);
  }
}

/** A process that nobody has collected yet is none: it has no command line any more. */
function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
}
