import { readFileSync, realpathSync, statSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { invalid, isErrno, messageOf, notFound } from '#base/errors.ts';
import { parseGitReference } from '#spec/git-reference.ts';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';
import { fromText } from '#spec/tar/header.ts';
import { ignoreOf } from './ignore.ts';
import { packContext, type ExtraFile } from './pack.ts';
import { walkContext, type ContextEntry } from './walk.ts';

/** A build's context as the engine takes it. */
export type OpenedContext =
  /** A folder here: `entries` may be walked again for each use. */
  | { readonly kind: 'folder'; readonly root: string; readonly entries: () => Iterable<ContextEntry>; readonly tar: () => AsyncIterable<Uint8Array>; readonly dockerfile: string; readonly ignoreText: string }
  /** A tar (compressed or not) that comes over stdin, or one made around a Dockerfile from there. */
  | { readonly kind: 'tar'; readonly tar: () => AsyncIterable<Uint8Array>; readonly dockerfile: string }
  /** A git repository or an address that the engine fetches itself. `tar` carries a Dockerfile from here. */
  | { readonly kind: 'remote'; readonly remote: string; readonly dockerfile: string; readonly text: string | undefined };

const MOST_DOCKERFILE = 4 << 20;
const magics: readonly (readonly number[])[] = [[0x1f, 0x8b, 0x08], [0x42, 0x5a, 0x68], [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], [0x28, 0xb5, 0x2f, 0xfd]];

/**
 * Opens what `docker build PATH | URL | -` names, with `-f` (a path, or `-` for stdin). Throws in docker's words:
 * `unable to prepare context: path "x" not found`.
 */
export async function openContext(named: string, file: string, stdin: AsyncIterable<Uint8Array>): Promise<OpenedContext> {
  if (named === '-' && file === '-') throw invalid("invalid argument: can't use stdin for both build context and dockerfile");
  if (named === '-') return fromStdin(stdin, file);
  if (parseGitReference(named) !== undefined && !isFolder(named)) return remote(named, file, stdin);
  if (/^https?:\/\//.test(named)) return remote(named, file, stdin);
  return folder(named, file, stdin);
}

async function remote(named: string, file: string, stdin: AsyncIterable<Uint8Array>): Promise<OpenedContext> {
  const text = file === '-' ? (await dockerfileFrom(stdin)).toString() : undefined;
  return { kind: 'remote', remote: named, dockerfile: file === '' || file === '-' ? 'Dockerfile' : file, text };
}

/** An archive is passed on as it comes; anything else is a Dockerfile without a context. */
async function fromStdin(stdin: AsyncIterable<Uint8Array>, file: string): Promise<OpenedContext> {
  const iterator = stdin[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  let ended = false;
  while (head.length < 512 && !ended) {
    const next = await iterator.next();
    if (next.done === true) ended = true;
    else head = Buffer.concat([head, next.value]);
  }
  if (isArchive(head)) {
    const tar = async function* (): AsyncGenerator<Uint8Array> {
      yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
    };
    return { kind: 'tar', tar, dockerfile: file === '' ? 'Dockerfile' : file };
  }
  const rest = (async function* (): AsyncGenerator<Uint8Array> {
    yield head;
    if (!ended) for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  })();
  const content = await dockerfileFrom(rest);
  const name = randomName();
  const tar = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.concat([tarHeader({ name: fromText(name), type: 'file', mode: 0o600, size: content.length }), content, tarPadding(content.length), TAR_END]);
  };
  return { kind: 'tar', tar, dockerfile: name };
}

async function folder(named: string, file: string, stdin: AsyncIterable<Uint8Array>): Promise<OpenedContext> {
  const root = folderAt(named);
  let inContext: string | undefined;
  let absolute: string | undefined;
  const extra: ExtraFile[] = [];
  if (file === '-') extra.push({ name: randomName(), content: await dockerfileFrom(stdin) });
  else {
    absolute = dockerfileAt(root, file);
    const path = relative(root, absolute);
    if (path !== '' && !path.startsWith('..') && !isAbsolute(path)) inContext = path;
    else extra.push({ name: randomName(), content: readDockerfile(absolute) });
  }
  const { ignore, text } = ignoreOf(root, { absolute, inContext });
  const entries = (): Iterable<ContextEntry> => walkContext(root, ignore);
  return { kind: 'folder', root, entries, tar: () => packContext(entries(), extra), dockerfile: inContext ?? extra[0]?.name ?? 'Dockerfile', ignoreText: text };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function folderAt(named: string): string {
  const path = resolve(named);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw notFound(`unable to prepare context: path ${JSON.stringify(named)} not found`);
  if (!stats.isDirectory()) throw invalid(`unable to prepare context: context must be a directory: ${path}`);
  return realpathSync(path);
}

/** The Dockerfile: in the context by default, else relative to where we are. Links are followed. */
function dockerfileAt(root: string, file: string): string {
  let path = resolve(file);
  if (file === '') {
    path = join(root, 'Dockerfile');
    const lower = join(root, 'dockerfile');
    if (statSync(path, { throwIfNoEntry: false }) === undefined && statSync(lower, { throwIfNoEntry: false }) !== undefined) path = lower;
  }
  try {
    return realpathSync(path);
  } catch (error) {
    const reason = isErrno(error, 'ENOENT') ? 'no such file or directory' : messageOf(error);
    throw notFound(`unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat ${path}: ${reason}`, { cause: error });
  }
}

function readDockerfile(path: string): Buffer {
  const content = readFileSync(path);
  if (content.length > MOST_DOCKERFILE) throw invalid(`the Dockerfile is larger than ${MOST_DOCKERFILE} bytes`);
  return content;
}

async function dockerfileFrom(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > MOST_DOCKERFILE) throw invalid(`the Dockerfile is larger than ${MOST_DOCKERFILE} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function isArchive(head: Buffer): boolean {
  return head.toString('latin1', 257, 262) === 'ustar' || magics.some((magic) => magic.every((byte, index) => head[index] === byte));
}

const randomName = (): string => `.dockerfile.${randomBytes(10).toString('hex')}`;
