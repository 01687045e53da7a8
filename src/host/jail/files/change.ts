/** The file actions of a build, run inside the trees they change. */
import { chmodSync, closeSync, constants, fchmodSync, fchownSync, lchownSync, mkdirSync, openSync, readSync, rmSync, symlinkSync, unlinkSync, writeSync } from 'node:fs';
import { EngineError, invalid, isErrno, messageOf, notFound } from '#base/errors.ts';
import { fromText, toText } from '#spec/tar/header.ts';
import type { ByteString, TarTime } from '#spec/tar/header.ts';
import { TreeSpace, type OpenTree } from '../enter.ts';
import type { JobStreams } from '../jobs.ts';
import type { FilesJob, FileStep } from '../protocol.ts';
import { resolvePath } from '../resolve.ts';
import { fsPath, setFileTimes, setTimes } from '../syscalls.ts';
import { Copier, makeFolders } from './copy.ts';
import { baseName, dirName, joined, look } from './entry.ts';
import { parseMode, resolveOwner, type Chown } from './owners.ts';
import { compilePatterns } from './patterns.ts';
import { cleanPath, select, type Selected } from './selection.ts';
import { isArchive, unpackInto } from './unpack.ts';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

export async function changeFiles(job: FilesJob, streams: JobStreams): Promise<undefined> {
  using space = new TreeSpace(job.points);
  const to = space.writable(job);
  const upper = job.lower.length === 0 ? to : space.readable([job.upper]);
  const trees = new Map<string, OpenTree>();
  const open = (tree: readonly string[]): OpenTree => {
    const key = tree.join('\0');
    let found = trees.get(key);
    if (found === undefined) trees.set(key, (found = space.readable(tree)));
    return found;
  };
  // All trees are mounted before the thread enters one.
  for (const step of job.steps) for (const tree of treesOf(step)) open(tree);
  for (const step of job.steps) {
    streams.check();
    const chown = 'owner' in step ? resolveOwner(step.owner, space, open) : undefined;
    space.enterRoot(to);
    try {
      if (step.step === 'copy') await copy(step, { space, from: open(step.from), to, upper, chown }, job, streams);
      else change(step, chown);
    } catch (error) {
      throw described(error);
    }
  }
  return undefined;
}

function* treesOf(step: FileStep): Generator<readonly string[]> {
  if (step.step === 'copy') yield step.from;
  if (!('owner' in step)) return;
  for (const part of [step.owner?.user, step.owner?.group]) if (part !== undefined && 'tree' in part) yield part.tree;
}

async function copy(
  step: Extract<FileStep, { step: 'copy' }>,
  parts: { space: TreeSpace; from: OpenTree; to: OpenTree; upper: OpenTree; chown: Chown | undefined },
  job: FilesJob,
  streams: JobStreams,
): Promise<void> {
  const { space, from, to, upper, chown } = parts;
  const time = timeOf(step.time);
  if (!step.createDestination && look(resolvePath(dirName(fromText(cleanPath(step.destination).replace(/\/\.?$/, ''))))) === undefined) {
    throw invalid(`failed to stat the destination's folder of ${step.destination}: no such file or directory`);
  }
  space.enterRoot(from);
  for (const path of step.required ?? []) if (look(resolvePath(fromText(cleanPath(path)))) === undefined) throw notFound(`${JSON.stringify(path)}: not found`);
  const selected = select(step.source, step);
  const copier = new Copier({
    space, from, to, upper, chown, time,
    // One folder is no mount of its own.
    link: job.link === true && step.from.length === 1 && chown === undefined && step.mode === '' && time === undefined,
    mode: parseMode(step.mode),
    include: compilePatterns(step.include),
    exclude: compilePatterns(step.exclude),
    contentsOnly: step.contentsOnly,
    replace: step.replace,
    check: streams.check,
  });
  for (const item of selected) {
    if (step.unpack && (await unpacked(item, step, parts, job, streams))) continue;
    copier.copy(item, selected.length > 1 && !step.destination.endsWith('/') ? `${step.destination}/` : step.destination);
  }
}

/** False when it is no archive. */
async function unpacked(item: Selected, step: Extract<FileStep, { step: 'copy' }>, parts: { space: TreeSpace; from: OpenTree; to: OpenTree; chown: Chown | undefined }, job: FilesJob, streams: JobStreams): Promise<boolean> {
  const { space, from, to, chown } = parts;
  space.enterRoot(from);
  const stats = look(item.path);
  if (stats?.isFile() !== true) return false;
  const fd = openSync(fsPath(item.path), constants.O_RDONLY | O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const head = Buffer.alloc(1024);
    if (!(await isArchive(head.subarray(0, readSync(fd, head, 0, head.length, 0)), fd))) return false;
    space.enterRoot(to);
    const folder = resolvePath(fromText(cleanPath(step.destination)));
    makeFolders(folder, { chown, time: timeOf(step.time) });
    // What the archive says of owners counts, whatever --chown says of the folder.
    await unpackInto(fd, folder, job.limits, streams);
    return true;
  } finally {
    closeSync(fd);
  }
}

function change(step: Exclude<FileStep, { step: 'copy' }>, chown: Chown | undefined): void {
  switch (step.step) {
    case 'mkdir': {
      const path = place(step.path, true);
      if (look(path)?.isDirectory() === true) {
        if (!step.parents) throw invalid(`mkdir ${toText(path)}: file exists`);
        return;
      }
      const time = timeOf(step.time);
      if (step.parents) makeFolders(path, { chown, time }, step.mode);
      else {
        mkdirSync(fsPath(path), 0o700);
        finish(path, chown, step.mode, time);
      }
      return;
    }
    case 'mkfile': {
      const path = place(step.path, true);
      if (look(path)?.isDirectory() === true) throw invalid(`open ${toText(path)}: is a directory`);
      if (look(path) !== undefined) unlinkSync(fsPath(path));
      const fd = openSync(fsPath(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        for (let done = 0; done < step.data.length; ) done += writeSync(fd, step.data, done);
        const { uid, gid } = chown?.({ uid: 0, gid: 0 }) ?? { uid: 0, gid: 0 };
        fchownSync(fd, uid, gid);
        fchmodSync(fd, step.mode & 0o7777);
        const time = timeOf(step.time);
        if (time !== undefined) setFileTimes(fd, time);
      } finally {
        closeSync(fd);
      }
      return;
    }
    case 'symlink': {
      const path = place(step.path, false);
      symlinkSync(fsPath(fromText(step.target)), fsPath(path));
      const { uid, gid } = chown?.({ uid: 0, gid: 0 }) ?? { uid: 0, gid: 0 };
      lchownSync(fsPath(path), uid, gid);
      const time = timeOf(step.time);
      if (time !== undefined) setTimes(path, time);
      return;
    }
    case 'rm':
      for (const { path } of select(step.path, { wildcard: step.wildcard, followSymlink: false, allowEmpty: step.allowNotFound })) {
        if (path !== '/') rmSync(fsPath(path), { recursive: true, force: step.allowNotFound });
      }
      return;
  }
}

function finish(path: ByteString, chown: Chown | undefined, mode: number, time: TarTime | undefined): void {
  const { uid, gid } = chown?.({ uid: 0, gid: 0 }) ?? { uid: 0, gid: 0 };
  lchownSync(fsPath(path), uid, gid);
  chmodSync(fsPath(path), mode & 0o7777);
  if (time !== undefined) setTimes(path, time);
}

/** Where a path leads; `follow` also in the last place. */
function place(given: string, follow: boolean): ByteString {
  const path = fromText(cleanPath(given).replace(/(?<=.)\/\.?$/, ''));
  return follow ? resolvePath(path) : joined(resolvePath(dirName(path)), baseName(path));
}

const timeOf = (nanos: string | undefined): TarTime | undefined => {
  if (nanos === undefined) return undefined;
  const value = BigInt(nanos);
  return { seconds: Number(value / 1_000_000_000n), nanos: Number(value % 1_000_000_000n) };
};

function described(error: unknown): unknown {
  if (error instanceof EngineError) return error;
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) return new EngineError('internal', 'no space left on device', { cause: error });
  if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EEXIST', 'ELOOP', 'EISDIR', 'ENAMETOOLONG')) return invalid(messageOf(error).replace(/^E\w+: /, ''), { cause: error });
  return error;
}
