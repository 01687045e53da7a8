import type { Command, Group, Leaf, Node } from './command/command.ts';

type Load = () => Promise<{ command: Command }>;
interface Extra {
  aliases?: readonly string[];
  hidden?: boolean;
}

const loads = new Map<Leaf, Load>();

function leaf(name: string, short: string, load: Load, extra: Extra = {}): Leaf {
  const node: Leaf = {
    kind: 'command',
    name,
    short,
    aliases: extra.aliases ?? [],
    hidden: extra.hidden ?? false,
    load: async () => (await load()).command,
  };
  loads.set(node, load);
  return node;
}

function group(name: string, short: string, children: readonly Node[], extra: Extra = {}): Group {
  return { kind: 'group', name, short, children, aliases: extra.aliases ?? [], hidden: extra.hidden ?? false };
}

// One loader a command, so that its places in the tree are known to be the same command.
const run: Load = () => import('./container/run.ts');
const create: Load = () => import('./container/create.ts');
const exec: Load = () => import('./container/exec.ts');
const ls: Load = () => import('./container/ls.ts');
const version: Load = () => import('./system/version.ts');

/** Every command, in the order of the help page. */
export const nodes: readonly Node[] = [
  leaf('run', 'Make a container from an image and run it', run),
  leaf('exec', 'Run a command in a running container', exec),
  leaf('ps', 'List containers', ls),
  leaf('version', 'Show the versions of client and engine', version),
  group('container', 'Manage containers', [
    leaf('create', 'Make a container without starting it', create),
    leaf('exec', 'Run a command in a running container', exec),
    leaf('ls', 'List containers', ls, { aliases: ['ps', 'list'] }),
    leaf('run', 'Make a container from an image and run it', run),
  ]),
  leaf('create', 'Make a container without starting it', create),
  group('engine', 'Manage the engine itself', [
    leaf('install', 'Have systemd keep the engine, from boot on', () => import('./engine/install.ts')),
    leaf('logs', "Show the engine's own log", () => import('./engine/logs.ts')),
    leaf('restart', 'Start a new engine in the place of the running one', async () => ({ command: (await import('./engine/commands.ts')).restart })),
    leaf('start', 'Start the engine', async () => ({ command: (await import('./engine/commands.ts')).start })),
    leaf('status', 'Show whether the engine runs, and what it takes', () => import('./engine/status.ts')),
    leaf('stop', 'Stop the engine; containers go on running', async () => ({ command: (await import('./engine/commands.ts')).stop })),
  ]),
];

/** All the ways to write the command, without the program's name: `container ls`, `container ps`, `ps`. */
export function aliasesOf(wanted: Leaf): string[] {
  const load = loads.get(wanted);
  const found: string[] = [];
  const walk = (list: readonly Node[], path: string): void => {
    for (const node of list) {
      if (node.kind === 'group') walk(node.children, `${path}${node.name} `);
      else if (loads.get(node) === load) found.push(...[node.name, ...node.aliases].map((name) => path + name));
    }
  };
  walk(nodes, '');
  return found.sort((a, b) => Number(b.includes(' ')) - Number(a.includes(' ')));
}
