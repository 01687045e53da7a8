import { createClient } from '#api/client/client.ts';
import { type Command, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { compileTemplate, runTemplate } from '../format/list.ts';
import { humanDuration, humanSize } from '../format/units.ts';
import { foldersOf } from './commands.ts';
import { findEngine, type OwnEngine, processFacts, socketsOf } from './own-engine.ts';

/** What `--format` and `--json` show. */
interface EngineStatus {
  State: 'running' | 'starting' | 'stopped';
  /** 0 when it does not run. */
  Pid: number;
  KeeperPid: number;
  Sockets: string[];
  /** Seconds. */
  Uptime: number;
  /** Resident bytes of engine and keeper. */
  Memory: number;
  /** -1 when the engine does not answer. */
  Containers: number;
  ContainersRunning: number;
  Version: string;
  DataRoot: string;
  ExecRoot: string;
  LogFile: string;
}

export const command: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Show whether the engine runs, and what it takes',
  flags: {
    format: flag.text('How to show it: json or a Go template', { short: 'f' }),
    json: flag.bool('Same as --format json'),
    'data-root': flag.text('Data folder of the engine, when it is not the usual one', { complete: 'file' }),
    'exec-root': flag.text('Run folder of the engine, when it is not the usual one', { complete: 'file' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const format = flags.json ? 'json' : flags.format;
    const template = format === '' ? undefined : compileTemplate(format === 'json' ? '{{json .}}' : format);
    const status = await readStatus(findEngine(foldersOf(flags)));
    cli.out.write(template ? `${runTemplate(template, status)}\n` : statusText(status));
    return status.State === 'running' ? 0 : 3;
  },
});

async function readStatus(engine: OwnEngine): Promise<EngineStatus> {
  const { pid, keeper } = engine;
  const facts = [pid, keeper].flatMap((process) => (process === undefined ? [] : (processFacts(process) ?? [])));
  const answer = pid === undefined ? undefined : await ask(engine.socket);
  return {
    State: answer !== undefined ? 'running' : pid === undefined && keeper === undefined ? 'stopped' : 'starting',
    Pid: pid ?? 0,
    KeeperPid: keeper ?? 0,
    Sockets: pid === undefined && keeper === undefined ? [] : socketsOf(engine),
    Uptime: pid === undefined || facts[0] === undefined ? 0 : Math.round((Date.now() - facts[0].startedAt) / 1000),
    Memory: facts.reduce((sum, { memory }) => sum + memory, 0),
    Containers: answer?.containers ?? -1,
    ContainersRunning: answer?.running ?? -1,
    Version: answer?.version ?? '',
    DataRoot: engine.root,
    ExecRoot: engine.run,
    LogFile: engine.logFile,
  };
}

async function ask(socket: string): Promise<{ containers: number; running: number; version: string } | undefined> {
  const client = createClient({ host: `unix://${socket}` });
  try {
    const { Containers, ContainersRunning, ServerVersion } = await client.system.info();
    return { containers: Containers ?? 0, running: ContainersRunning ?? 0, version: ServerVersion ?? '' };
  } catch {
    return undefined;
  } finally {
    client.close();
  }
}

function statusText(status: EngineStatus): string {
  if (status.State === 'stopped') return `The engine does not run; the next command that needs it starts it.\nLog: ${status.LogFile}\n`;
  const rows: [string, string][] = [
    ['Engine', `${status.State}, pid ${status.Pid}${status.Version === '' ? '' : `, version ${status.Version}`}`],
    ['Keeper', status.KeeperPid === 0 ? 'none of ours (systemd, or started by hand)' : `pid ${status.KeeperPid}`],
    ['Listens at', status.Sockets.join(', ')],
    ['Up for', humanDuration(status.Uptime * 1000)],
    ['Memory', humanSize(status.Memory)],
    ['Containers', status.Containers < 0 ? 'the engine does not answer' : `${status.Containers}, ${status.ContainersRunning} running`],
    ['Data', status.DataRoot],
    ['Log', status.LogFile],
  ];
  return rows.map(([name, value]) => `${`${name}:`.padEnd(12)} ${value}\n`).join('');
}
