import type { Command, Group, Leaf, Node } from './command/command.ts';

type Load = () => Promise<Command>;
interface Extra {
  aliases?: readonly string[];
  hidden?: boolean;
}

function leaf(name: string, short: string, load: Load, extra: Extra = {}): Leaf {
  return { kind: 'command', name, short, load, aliases: extra.aliases ?? [], hidden: extra.hidden ?? false };
}

function group(name: string, short: string, children: readonly Node[], extra: Extra = {}): Group {
  return { kind: 'group', name, short, children, aliases: extra.aliases ?? [], hidden: extra.hidden ?? false };
}

// One loader a command: its places in the tree are known by it to be the same command.
const lifecycle = () => import('./container/lifecycle.ts');
const images = () => import('./image/manage.ts');
const transfer = () => import('./image/transfer.ts');
const inspectors = () => import('./inspect/of-kind.ts');
const volumes = () => import('./volume/commands.ts');
const networks = () => import('./network/commands.ts');
const reach = () => import('./network/reach.ts');
const contexts = () => import('./context/commands.ts');
const contextFiles = () => import('./context/transfer.ts');
const engine = () => import('./engine/commands.ts');
const completion = () => import('./shell/completion.ts');
const manifests = () => import('./manifest/commands.ts');
const credentials = () => import('./login/commands.ts');
const building = () => import('./build/command.ts');
const buildCache = () => import('./build/cache-commands.ts');
const builders = () => import('./build/builder-commands.ts');
const buildHistory = () => import('./build/history-commands.ts');
const later = () => import('./later.ts');

const attach = leaf('attach', 'Join our terminal to a running container', async () => (await import('./container/attach.ts')).command);
const afterwards = (names: readonly string[], short: string, load: Load): Leaf[] => names.map((name) => leaf(name, short, load, { hidden: true }));
const build = leaf('build', 'Build an image from a Dockerfile', async () => (await building()).build);
const buildPrune = leaf('prune', 'Remove build cache', async () => (await buildCache()).prune);
const buildDu = leaf('du', 'Show how much disk space the build cache uses', async () => (await buildCache()).du);
const historyOfBuilds = group('history', 'Show builds that ended', [
  leaf('inspect', 'Show what is known of a build', async () => (await buildHistory()).historyInspect),
  leaf('logs', 'Print what a build said', async () => (await buildHistory()).historyLogs),
  leaf('ls', 'List builds', async () => (await buildHistory()).historyLs),
  leaf('rm', 'Forget builds', async () => (await buildHistory()).historyRm),
]);
const commit = leaf('commit', 'Make an image of a container as it is now', async () => (await import('./container/commit.ts')).command);
const cp = leaf('cp', 'Copy files between a container and this machine', async () => (await import('./container/cp.ts')).command);
const create = leaf('create', 'Make a container without starting it', async () => (await import('./container/create.ts')).command);
const diff = leaf('diff', 'Show which files a container changed', async () => (await import('./container/diff.ts')).command);
const exec = leaf('exec', 'Run a command in a running container', async () => (await import('./container/exec.ts')).command);
const exportContainer = leaf('export', 'Write the file system of a container as a tar archive', async () => (await import('./container/export.ts')).command);
const kill = leaf('kill', 'Send a signal to running containers', async () => (await lifecycle()).kill);
const logs = leaf('logs', 'Show the output of a container', async () => (await import('./container/logs.ts')).command);
const containerLs = leaf('ls', 'List containers', async () => (await import('./container/ls.ts')).command, { aliases: ['list', 'ps'] });
const pause = leaf('pause', 'Freeze all processes of containers', async () => (await lifecycle()).pause);
const port = leaf('port', 'Show which ports of the host lead to a container', async () => (await import('./container/port.ts')).command);
const rename = leaf('rename', 'Rename a container', async () => (await lifecycle()).rename);
const restart = leaf('restart', 'Restart containers', async () => (await lifecycle()).restart);
const rm = leaf('rm', 'Remove containers', async () => (await lifecycle()).remove);
const run = leaf('run', 'Make a container from an image and run it', async () => (await import('./container/run.ts')).command);
const start = leaf('start', 'Start stopped containers', async () => (await import('./container/start.ts')).command);
const stats = leaf('stats', 'Show what containers use, again and again', async () => (await import('./container/stats.ts')).command);
const stop = leaf('stop', 'Stop running containers', async () => (await lifecycle()).stop);
const top = leaf('top', 'Show the processes of a container', async () => (await import('./container/top.ts')).command);
const unpause = leaf('unpause', 'Let frozen containers go on', async () => (await lifecycle()).unpause);
const update = leaf('update', 'Change limits and the restart policy of containers', async () => (await lifecycle()).update);
const wait = leaf('wait', 'Wait until containers stop, then print their exit codes', async () => (await lifecycle()).wait);
const history = leaf('history', 'Show the layers of an image and what made them', async () => (await import('./image/history.ts')).command);
const imageLs = leaf('ls', 'List images', async () => (await import('./image/ls.ts')).command, { aliases: ['list'] });
const importImage = leaf('import', 'Make an image of a tar archive of files', async () => (await transfer()).importImage);
const load = leaf('load', 'Read images from a tar archive', async () => (await transfer()).load);
const pull = leaf('pull', 'Fetch an image from a registry', async () => (await transfer()).pull);
const push = leaf('push', 'Send an image to a registry', async () => (await transfer()).push);
const rmi = leaf('rm', 'Remove images', async () => (await images()).remove, { aliases: ['remove'] });
const save = leaf('save', 'Write images as a tar archive', async () => (await transfer()).save);
const tag = leaf('tag', 'Give an image another name', async () => (await images()).tag);
const events = leaf('events', 'Show what happens in the engine, as it happens', async () => (await import('./system/events.ts')).command);
const info = leaf('info', 'Show the state of engine and machine', async () => (await import('./system/info.ts')).command);
const inspect = leaf('inspect', 'Show all that is known about something', async () => (await import('./inspect/command.ts')).command);
const version = leaf('version', 'Show the versions of client and engine', async () => (await import('./system/version.ts')).command);

/** The same command in another place, by another name. */
const as = (node: Leaf, name: string, extra: Extra = {}): Leaf => ({ ...node, name, aliases: extra.aliases ?? [] });


/** Every command. */
export const nodes: readonly Node[] = [
  attach, build,
  group('builder', 'Manage builds', [build, buildDu, historyOfBuilds, buildPrune]),
  group('buildx', 'Manage builds, by the name of docker\'s plugin', [
    as(build, 'build', { aliases: ['b'] }), buildDu, historyOfBuilds,
    leaf('inspect', 'Show what is known of a builder', async () => (await builders()).inspect),
    leaf('ls', 'List builders', async () => (await builders()).ls),
    buildPrune,
    leaf('use', 'Choose the builder of the commands that follow', async () => (await builders()).use),
    leaf('version', 'Show the version of the build commands', async () => (await builders()).version),
    ...afterwards(['bake', 'create', 'imagetools', 'rm', 'stop'], 'Work with builders', async () => (await later()).buildx),
  ]),
  commit,
  group('completion', 'Print the completion script of a shell', [
    leaf('bash', 'Print the completion script for bash', async () => (await completion()).bash),
    leaf('fish', 'Print the completion script for fish', async () => (await completion()).fish),
    leaf('zsh', 'Print the completion script for zsh', async () => (await completion()).zsh),
  ]),
  group('container', 'Manage containers', [
    attach, commit, cp, create, diff, exec, exportContainer,
    leaf('inspect', 'Show all that is known about containers', async () => (await inspectors()).container),
    kill, logs, containerLs, pause, port,
    leaf('prune', 'Remove all containers that do not run', async () => (await import('./container/prune.ts')).command),
    rename, restart,
    as(rm, 'rm', { aliases: ['remove'] }),
    run, start, stats, stop, top, unpause, update, wait,
  ]),
  group('context', 'Manage contexts: names for engines', [
    leaf('create', 'Make a context', async () => (await contexts()).create),
    leaf('export', 'Write a context to a tar archive', async () => (await contextFiles()).exportContext),
    leaf('import', 'Read a context from a tar archive', async () => (await contextFiles()).importContext),
    leaf('inspect', 'Show all that is known about contexts', async () => (await contexts()).inspect),
    leaf('ls', 'List contexts', async () => (await contexts()).ls, { aliases: ['list'] }),
    leaf('rm', 'Remove contexts', async () => (await contexts()).remove, { aliases: ['remove'] }),
    leaf('show', 'Print the name of the context in use', async () => (await contexts()).show),
    leaf('update', 'Change a context', async () => (await contexts()).update),
    leaf('use', 'Choose the context of the commands that follow', async () => (await contexts()).use),
  ]),
  cp, create, diff,
  leaf('doctor', 'Check whether this machine can run containers, and say how to mend it', async () => (await import('./doctor/command.ts')).command),
  group('engine', 'Manage the engine itself', [
    leaf('install', 'Have systemd keep the engine, from boot on', async () => (await import('./engine/install.ts')).command),
    leaf('logs', "Show the engine's own log", async () => (await import('./engine/logs.ts')).command),
    leaf('restart', 'Start a new engine in the place of the running one', async () => (await engine()).restart),
    leaf('start', 'Start the engine', async () => (await engine()).start),
    leaf('status', 'Show whether the engine runs, and what it takes', async () => (await import('./engine/status.ts')).command),
    leaf('stop', 'Stop the engine; containers go on running', async () => (await engine()).stop),
  ]),
  events, exec, exportContainer, history,
  group('image', 'Manage images', [
    leaf('bootstrap', "Make a base image from the distribution's packages", async () => (await transfer()).bootstrap),
    build,
    history, importImage,
    leaf('inspect', 'Show all that is known about images', async () => (await inspectors()).image),
    load, imageLs,
    leaf('prune', 'Remove images that nothing uses', async () => (await images()).prune),
    pull, push, rmi, save, tag,
  ]),
  as(imageLs, 'images'),
  importImage, info, inspect, kill, load,
  leaf('login', 'Give the credentials for a registry', async () => (await credentials()).login),
  leaf('logout', 'Forget the credentials for a registry', async () => (await credentials()).logout),
  logs,
  group('manifest', 'Compose indexes of images for several platforms, at a registry', [
    leaf('annotate', 'Say more about a manifest of a list', async () => (await manifests()).annotate),
    leaf('create', 'Begin an index of manifests that lie in registries', async () => (await manifests()).create),
    leaf('inspect', 'Show a manifest, or a list of them', async () => (await manifests()).inspect),
    leaf('push', 'Put a list into its repository, with the manifests that it names', async () => (await manifests()).push),
    leaf('rm', 'Forget lists that were begun here', async () => (await manifests()).remove),
  ]),
  group('network', 'Manage networks', [
    leaf('connect', 'Connect a container to a network', async () => (await networks()).connect),
    leaf('create', 'Make a network', async () => (await networks()).create),
    leaf('disconnect', 'Disconnect a container from a network', async () => (await networks()).disconnect),
    leaf('explain', 'Say whether one party reaches another, and which rule decides', async () => (await reach()).explain),
    leaf('inspect', 'Show all that is known about networks', async () => (await inspectors()).network),
    leaf('ls', 'List networks', async () => (await networks()).ls, { aliases: ['list'] }),
    leaf('ports', 'List the published ports of all containers and who carries them', async () => (await reach()).ports),
    leaf('prune', 'Remove networks that no container uses', async () => (await networks()).prune),
    leaf('rm', 'Remove networks', async () => (await networks()).remove, { aliases: ['remove'] }),
  ]),
  pause, port,
  as(containerLs, 'ps'),
  pull, push,
  leaf('quickstart', 'See a first container run, step by step', async () => (await import('./quickstart.ts')).command),
  rename, restart, rm,
  as(rmi, 'rmi'),
  run, save,
  leaf('search', 'Search a registry for images', async () => (await import('./image/search.ts')).command),
  start, stats, stop,
  group('system', 'Manage the engine as a whole', [
    leaf('check', 'Verify everything that the image store holds, and mend it', async () => (await import('./system/check.ts')).command),
    leaf('df', 'Show how much disk space is used', async () => (await import('./system/df.ts')).command),
    events, info,
    leaf('prune', 'Remove everything that nothing uses', async () => (await import('./system/prune.ts')).command),
  ]),
  tag, top, unpause, update, version,
  group('volume', 'Manage volumes', [
    leaf('create', 'Make a volume', async () => (await volumes()).create),
    leaf('inspect', 'Show all that is known about volumes', async () => (await inspectors()).volume),
    leaf('ls', 'List volumes', async () => (await volumes()).ls, { aliases: ['list'] }),
    leaf('prune', 'Remove anonymous volumes that no container uses', async () => (await volumes()).prune),
    leaf('rm', 'Remove volumes', async () => (await volumes()).remove, { aliases: ['remove'] }),
    leaf('update', 'Change a cluster volume', async () => (await volumes()).update, { hidden: true }),
  ]),
  wait,
  ...afterwards(['compose'], 'Run applications of several containers', async () => (await later()).compose),
  ...afterwards(['swarm', 'node', 'service', 'stack', 'secret', 'config'], 'Run a swarm', async () => (await later()).swarm),
  ...afterwards(['plugin'], 'Manage plugins', async () => (await later()).plugin),
  ...afterwards(['trust'], 'Sign and verify images', async () => (await later()).trust),
  ...afterwards(['checkpoint'], 'Manage checkpoints', async () => (await later()).checkpoint),
];

/** All the ways to write the command, without the program's name: `container ls`, `container ps`, `ps`. */
export function aliasesOf(wanted: Leaf): string[] {
  const found: string[] = [];
  const walk = (list: readonly Node[], path: string): void => {
    for (const node of list) {
      if (node.kind === 'group') walk(node.children, `${path}${node.name} `);
      else if (node.load === wanted.load) found.push(...[node.name, ...node.aliases].map((name) => path + name));
    }
  };
  walk(nodes, '');
  return found.sort((a, b) => Number(b.includes(' ')) - Number(a.includes(' ')));
}
