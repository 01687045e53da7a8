import type { Cli } from '../command/cli.ts';
import type { Completion, Flag } from '../command/flag.ts';
import { globalFlags } from '../command/global-flags.ts';
import type { Command, Node } from '../command/command.ts';
import { nodes } from '../registry.ts';

const IDLE_FILES = ':files';

/**
 * Prints the candidates for the last of `words` (the words after the program's name), one a line, with a tab and a
 * description where there is one. The line `:files` asks the shell for file names. Never fails: a shell waits for it.
 */
export async function completeLine(cli: Cli, words: readonly string[]): Promise<number> {
  const typed = words.at(-1) ?? '';
  let candidates: readonly string[] = [];
  try {
    candidates = await candidatesFor(cli, words.slice(0, -1), typed);
  } catch {
    // An engine that is down completes nothing.
  }
  const shown = candidates.filter((candidate) => candidate === IDLE_FILES || candidate.startsWith(typed));
  cli.out.write(shown.map((line) => `${line}\n`).join(''));
  await cli.close();
  return 0;
}

async function candidatesFor(cli: Cli, before: readonly string[], typed: string): Promise<readonly string[]> {
  let among: readonly Node[] = nodes;
  let flags = globalFlags as unknown as Readonly<Record<string, Flag<unknown>>>;
  let command: Command | undefined;
  let args = 0;
  let pending: Flag<unknown> | undefined;
  let ended = false;
  for (const word of before) {
    if (pending) {
      pending = undefined;
      continue;
    }
    if (!ended && word.startsWith('-') && word !== '-') {
      if (word === '--') ended = true;
      else pending = valueFlag(flags, word);
      continue;
    }
    if (command) {
      args++;
      if (command.stopAtFirstArg === true) ended = true;
      continue;
    }
    const node = among.find((candidate) => candidate.name === word || candidate.aliases.includes(word));
    if (!node) return [];
    if (node.kind === 'group') {
      among = node.children;
      flags = {};
    } else {
      command = await node.load();
      flags = command.flags as unknown as Readonly<Record<string, Flag<unknown>>>;
    }
  }
  if (pending) return valuesOf(cli, pending.complete);
  const inline = /^(--[^=]+)=(.*)$/.exec(typed);
  if (!ended && inline?.[1] !== undefined) {
    const flag = flags[inline[1].slice(2)];
    return flag ? (await valuesOf(cli, flag.complete)).map((value) => `${inline[1]}=${value}`) : [];
  }
  if (!ended && typed.startsWith('-')) {
    return Object.entries(flags).filter(([, flag]) => !flag.hidden).map(([name, flag]) => `--${name}\t${flag.help}`);
  }
  if (command) {
    const places = command.complete ?? [];
    return valuesOf(cli, places[Math.min(args, places.length - 1)] ?? 'none');
  }
  return among.filter((node) => !node.hidden).map((node) => `${node.name}\t${node.short}`);
}

function valueFlag(flags: Readonly<Record<string, Flag<unknown>>>, word: string): Flag<unknown> | undefined {
  if (word.includes('=')) return undefined;
  const flag = word.startsWith('--')
    ? flags[word.slice(2)]
    : Object.values(flags).find((candidate) => candidate.short !== undefined && candidate.short === word.at(-1));
  return flag && flag.alone === undefined ? flag : undefined;
}

async function valuesOf(cli: Cli, kind: Completion): Promise<readonly string[]> {
  if (typeof kind !== 'string') return kind;
  if (kind === 'none') return [];
  if (kind === 'file') return [IDLE_FILES];
  if (kind === 'context') {
    const { listContexts } = await import('../context/store.ts');
    return ['default', ...listContexts(cli.configFolder).map((context) => context.name)];
  }
  const client = await cli.quietClient();
  try {
    switch (kind) {
      case 'image': {
        const images = await client.images.list();
        return images.flatMap((image) => image.RepoTags ?? []).filter((tag) => !tag.startsWith('<none>'));
      }
      case 'volume':
        return ((await client.volumes.list()).Volumes ?? []).map((volume) => volume.Name);
      case 'network':
        return (await client.networks.list()).map((network) => network.Name ?? '');
      default: {
        const status = { running: ['running'], stopped: ['created', 'exited', 'dead'], paused: ['paused'], container: [] }[kind];
        const containers = await client.containers.list({ all: true, ...(status.length > 0 ? { filters: { status } } : {}) });
        return containers.map((container) => (container.Names?.[0] ?? '').slice(1));
      }
    }
  } finally {
    client.close();
  }
}
