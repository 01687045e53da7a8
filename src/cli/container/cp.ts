import { lstatSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, posix, resolve } from 'node:path';
import type { EngineClient } from '#api/client/client.ts';
import { packTree } from '../archive/pack.ts';
import { unpackTree } from '../archive/unpack.ts';
import { planCopy, renamed, splitPath, type CopyEnd } from '../archive/copy-paths.ts';
import type { Cli } from '../command/cli.ts';
import { CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { humanSize } from '../format/units.ts';
import { systemMessage } from './options/environment.ts';

const SYMLINK = 2 ** 27;
const DIRECTORY = 2 ** 31;
const has = (mode: number, bit: number): boolean => Math.floor(mode / bit) % 2 === 1;

interface Options {
  follow: boolean;
  archive: boolean;
  quiet: boolean;
}

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tgantry cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  short: 'Copy files between a container and this machine',
  long: "With '-' as the source a tar archive is read from the standard input and unpacked in a folder of the container;\nwith '-' as the destination one is written to the standard output.",
  flags: {
    archive: flag.bool('Keep the owners of the files', { short: 'a' }),
    'follow-link': flag.bool('Copy what a link at SRC_PATH leads to', { short: 'L' }),
    quiet: flag.bool('Say nothing of the progress', { short: 'q' }),
  },
  args: { min: 2, max: 2 },
  complete: ['file'],
  async run({ cli, flags, given, args: [source = '', target = ''] }) {
    if (source === '') throw new CliError('source can not be empty');
    if (target === '') throw new CliError('destination can not be empty');
    const from = splitArgument(source);
    const to = splitArgument(target);
    const options: Options = {
      follow: flags['follow-link'],
      archive: flags.archive,
      quiet: given.has('quiet') ? flags.quiet : !cli.out.terminal,
    };
    if (from.container !== '' && to.container !== '') throw new CliError('copying between containers is not supported');
    if (from.container !== '') return fromContainer(cli, await cli.client(), from, to.path, options);
    if (to.container !== '') return toContainer(cli, await cli.client(), from.path, to, options);
    throw new CliError('must specify at least one container source');
  },
});

interface Place {
  container: string;
  path: string;
}

/** A colon parts container and path, unless the argument is clearly a path. */
function splitArgument(text: string): Place {
  const at = text.indexOf(':');
  if (isAbsolute(text) || at < 0 || text.startsWith('.')) return { container: '', path: text };
  return { container: text.slice(0, at), path: text.slice(at + 1) };
}

/** Absolute, with the trailing slash or dot that carries a meaning. */
function localPath(path: string): string {
  const full = resolve(path);
  if (/(^|\/)\.$/.test(path)) return full === '/' ? '/.' : `${full}/.`;
  return path.endsWith('/') && full !== '/' ? `${full}/` : full;
}

async function fromContainer(cli: Cli, client: EngineClient, from: Place, target: string, options: Options): Promise<void> {
  const path = target === '-' ? '-' : localPath(target);
  if (path !== '-') requireOutputFolder(path);
  let source = from.path;
  let rebaseName: string | undefined;
  if (options.follow) {
    const stat = await client.containers.archiveStat(from.container, source).catch(() => undefined);
    if (stat && has(stat.mode, SYMLINK)) {
      const link = posix.isAbsolute(stat.linkTarget) ? stat.linkTarget : posix.join(splitPath(source).folder, stat.linkTarget);
      if (splitPath(link).base !== splitPath(source).base) rebaseName = splitPath(source).base;
      source = link;
    }
  }
  const { stat, tar } = await client.containers.archiveGet(from.container, source);
  if (path === '-') {
    for await (const chunk of tar) cli.out.write(chunk);
    return;
  }
  const there = statSync(path, { throwIfNoEntry: false });
  const end: CopyEnd = { path: path.replace(/\/\.$/, '/'), exists: there !== undefined, isDirectory: there?.isDirectory() ?? false };
  // The archive's members begin with the last part of the source, whatever the user calls it.
  const { base } = splitPath(source);
  const plan = planCopy({ path: source, isDirectory: has(stat.mode, DIRECTORY) }, end);
  const counter = count(tar);
  await unpackTree(counter.bytes, plan.folder, (name) => {
    const kept = rebaseName === undefined || plan.rename ? name : renamed({ folder: '', rename: { from: base, to: rebaseName } }, name);
    return renamed(plan, kept);
  });
  if (!options.quiet) cli.err.line(`Successfully copied ${humanSize(counter.total(), 3)} to ${path}`);
}

async function toContainer(cli: Cli, client: EngineClient, source: string, to: Place, options: Options): Promise<void> {
  const end = await containerEnd(client, to);
  if (source === '-') {
    if (!end.isDirectory) throw new CliError(`destination "${to.container}:${to.path}" must be a directory`);
    await client.containers.archivePut(to.container, end.path, process.stdin, { copyUidGid: options.archive });
    return;
  }
  const path = localPath(source);
  const { real, name, isDirectory } = localSource(path, options.follow);
  const plan = planCopy({ path: path.endsWith('/.') ? path : `${dirname(path)}/${name}`, isDirectory }, end);
  const counter = count(packTree(real, plan.rename ? plan.rename.to : name));
  await client.containers.archivePut(to.container, plan.folder, counter.bytes, { noOverwriteDirNonDir: true, copyUidGid: options.archive });
  if (!options.quiet) cli.err.line(`Successfully copied ${humanSize(counter.total(), 3)} to ${to.container}:${end.path}`);
}

/** What to pack and what to call it; `.` packs the content of a folder. */
function localSource(path: string, follow: boolean): { real: string; name: string; isDirectory: boolean } {
  let stats;
  try {
    stats = lstatSync(path.replace(/\/\.$/, '/'));
    if (stats.isSymbolicLink() && (follow || path.endsWith('/'))) stats = statSync(path);
  } catch (error) {
    throw new CliError(`lstat ${firstMissing(path)}: ${systemMessage(error)}`);
  }
  if (path.endsWith('/') && !stats.isDirectory()) throw new CliError(`lstat ${path}: not a directory`);
  const plain = path.replace(/\/\.?$/, '') || '/';
  const real = follow ? realpathSync(plain) : plain;
  return { real, name: path.endsWith('/.') ? '.' : splitPath(plain).base, isDirectory: stats.isDirectory() };
}

/** The path, or the first folder on the way to it that does not exist. */
function firstMissing(path: string): string {
  const parts = path.replace(/\/\.?$/, '').split('/').slice(1);
  for (let count = 1; count < parts.length; count++) {
    const folder = `/${parts.slice(0, count).join('/')}`;
    if (!statSync(folder, { throwIfNoEntry: false })) return folder;
  }
  return path;
}

async function containerEnd(client: EngineClient, { container, path }: Place): Promise<CopyEnd> {
  const look = (at: string) => client.containers.archiveStat(container, at).catch(() => undefined);
  let at = path;
  let stat = await look(at);
  if (stat && has(stat.mode, SYMLINK)) {
    at = posix.isAbsolute(stat.linkTarget) ? stat.linkTarget : posix.join(splitPath(path).folder, stat.linkTarget);
    stat = await look(at);
  }
  return { path: at, exists: stat !== undefined, isDirectory: stat !== undefined && has(stat.mode, DIRECTORY) };
}

function requireOutputFolder(path: string): void {
  const folder = dirname(path.replace(/\/\.?$/, ''));
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new CliError(`invalid output path: directory ${JSON.stringify(folder)} does not exist`);
  }
}

function count(input: AsyncIterable<Uint8Array>): { bytes: AsyncIterable<Uint8Array>; total(): number } {
  let total = 0;
  const bytes = (async function* () {
    for await (const chunk of input) {
      total += chunk.length;
      yield chunk;
    }
  })();
  return { bytes, total: () => total };
}
