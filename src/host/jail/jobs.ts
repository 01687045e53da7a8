/** The jobs of a jailed worker, each run to its end on the thread that is inside the root. */
import { closeSync, constants, openSync, rmSync, statSync } from 'node:fs';
import { EngineError, invalid } from '#base/errors.ts';
import { toText } from '#spec/tar/header.ts';
import { defaultTarLimits, TarReader } from '#spec/tar/reader.ts';
import { syncfs } from '../kernel.ts';
import { adoptFolders, findChanges, measure } from './changes.ts';
import { enter } from './enter.ts';
import { contentDigests } from './files/content.ts';
import { findPackages } from './files/packages.ts';
import { diffTrees } from './files/diff.ts';
import { changeFiles } from './files/change.ts';
import { tidy } from './files/tidy.ts';
import type { Job, JobResults, PackJob, SpoolJob, StatJob, UnpackJob, UnpackLimits, SpooledFile } from './protocol.ts';
import { look, resolvePath } from './resolve.ts';
import { countedHash, inflated, knownHash, readGrowing, readPieces, tap, unhashed, writeAll } from './source.ts';
import { Spool } from './spool.ts';
import { fsPath } from './syscalls.ts';
import { packTree } from './tree-reader.ts';
import { TreeWriter } from './tree-writer.ts';

/** The worker's ends of the caller's streams. */
export interface JobStreams {
  input(): AsyncIterable<Buffer>;
  /** How much of a growing file is there, once it is more than what was taken; undefined at its end. */
  grown(taken: number): Promise<number | undefined>;
  /** A file of a spooled archive that looks like a layer is complete. */
  member(member: SpooledFile): void;
  /** Resolves when the caller has room for more. */
  output(chunk: Buffer): Promise<void>;
  /** Throws when the caller gave up. */
  check(): void;
}

export async function runJob(job: Job, streams: JobStreams): Promise<JobResults[Job['kind']]> {
  switch (job.kind) {
    case 'unpack':
      return unpack(job, streams);
    case 'spool':
      return spool(job, streams);
    case 'pack':
      return pack(job, streams);
    case 'adopt':
      return adoptFolders(job) as undefined;
    case 'stat':
      return stat(job);
    case 'changes':
      return findChanges(job);
    case 'measure':
      return measure(job.path, job.blocks);
    case 'sync':
      return syncPath(job.path);
    case 'remove':
      for (const path of job.paths) rmSync(path, { recursive: true, force: true });
      return undefined;
    case 'files':
      return changeFiles(job, streams);
    case 'content':
      return contentDigests(job, streams.check);
    case 'packages':
      return findPackages(job, streams.check);
    case 'tidy':
      return tidy(job) as undefined;
    case 'diff':
      return diffTrees(job, streams.check) as undefined;
  }
}

const { O_WRONLY, O_CREAT, O_EXCL, O_RDONLY } = constants;

async function unpack(job: UnpackJob, streams: JobStreams): Promise<JobResults['unpack']> {
  const keep = job.keep === undefined ? undefined : openSync(job.keep, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  const file = job.source.kind === 'stream' ? undefined : openSync(job.source.path, O_RDONLY);
  const source = file === undefined ? streams.input() : job.source.kind === 'growing' ? readGrowing(file, (taken) => streams.grown(taken)) : readPieces(file);
  const newHash = job.unhashed === true ? unhashed : countedHash;
  const raw = job.source.kind === 'file' && job.source.known !== undefined ? knownHash(job.source.known) : newHash();
  const plain = newHash();
  const writer = new TreeWriter(job);
  try {
    using _inside = enter(job.root);
    if (job.folder !== '/') requireFolder(job.folder);
    const reader = new TarReader(writer, { ...defaultTarLimits, entries: job.limits.entries });
    const { compression, chunks } = await inflated(tap(source, raw, keep));
    await drain(chunks, job.limits, streams, (chunk) => {
      if (compression !== 'none') plain.add(chunk);
      reader.write(chunk);
    });
    reader.end();
    writer.finish();
    const before = raw.result();
    const after = compression === 'none' ? before : plain.result();
    return {
      compression,
      digest: before.digest,
      size: before.size,
      inflatedDigest: after.digest,
      inflatedSize: after.size,
      contentSize: writer.contentSize,
      entries: writer.entries,
      implied: [...writer.implied],
    };
  } finally {
    writer.abandon();
    for (const fd of [keep, file]) if (fd !== undefined) closeSync(fd);
  }
}

async function drain(chunks: AsyncIterable<Buffer>, limits: UnpackLimits, streams: JobStreams, take: (chunk: Buffer) => void): Promise<void> {
  let size = 0;
  for await (const chunk of chunks) {
    streams.check();
    size += chunk.length;
    if (size > limits.inflated) {
      throw limits.byDisk === true
        ? new EngineError('internal', `no space left on device: the archive needs more than the ${Math.floor(limits.inflated / 2 ** 20)} MiB that the disk can take`)
        : invalid(`the archive is refused: more than ${limits.inflated} bytes when decompressed`);
    }
    take(chunk);
  }
}

async function spool(job: SpoolJob, streams: JobStreams): Promise<JobResults['spool']> {
  const file = job.source.kind === 'file' ? openSync(job.source.path, O_RDONLY) : undefined;
  const writer = new Spool(job.into, (member) => streams.member(member));
  try {
    const reader = new TarReader(writer, { ...defaultTarLimits, entries: job.limits.entries });
    const { chunks } = await inflated(file === undefined ? streams.input() : readPieces(file));
    await drain(chunks, job.limits, streams, (chunk) => reader.write(chunk));
    reader.end();
    return writer.members;
  } finally {
    writer.abandon();
    if (file !== undefined) closeSync(file);
  }
}

function syncPath(path: string): undefined {
  const fd = openSync(path, O_RDONLY);
  try {
    syncfs(fd);
  } finally {
    closeSync(fd);
  }
}

function requireFolder(path: string): void {
  if (statSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() !== true) throw invalid('extraction point is not a directory');
}

async function pack(job: PackJob, streams: JobStreams): Promise<JobResults['pack']> {
  const into = job.into === undefined ? undefined : openSync(job.into, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  const hash = into === undefined && job.discard !== true ? unhashed() : countedHash();
  const totals = { contentSize: 0 };
  try {
    using _inside = enter(job.root);
    for (const chunk of packTree(job, totals)) {
      streams.check();
      hash.add(chunk);
      if (job.discard === true) continue;
      if (into === undefined) await streams.output(chunk);
      else {
        writeAll(into, chunk);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    return { ...hash.result(), ...totals };
  } finally {
    if (into !== undefined) closeSync(into);
  }
}

function stat(job: StatJob): JobResults['stat'] {
  using _inside = enter(job.root);
  const cut = job.path.lastIndexOf('/');
  const last = job.path.slice(cut + 1);
  const folder = resolvePath(job.path.slice(0, cut + 1));
  const asFolder = last === '' || last === '.';
  const asked = asFolder ? folder : `${folder === '/' ? '' : folder}/${last}`;
  const resolved = job.follow ? resolvePath(asked) : asked;
  const stats = look(resolved);
  if (stats === undefined) return undefined;
  if (asFolder && !stats.isDirectory()) throw invalid(`lstat ${toText(job.path)}: not a directory`);
  return {
    resolved,
    mode: Number(stats.mode),
    size: Number(stats.size),
    mtimeNanos: stats.mtimeNs,
    linkTarget: stats.isSymbolicLink() ? resolvePath(resolved) : '',
    uid: Number(stats.uid),
    gid: Number(stats.gid),
  };
}
