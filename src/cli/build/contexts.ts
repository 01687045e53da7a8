import { createHash } from 'node:crypto';
import { homedir, hostname } from 'node:os';
import { statSync } from 'node:fs';
import type { EngineClient } from '#api/client/client.ts';
import { parseGitReference } from '#spec/git-reference.ts';
import type { NativeContext, OfferedFile } from '#spec/wire/native-build.ts';
import { CliError } from '../command/command.ts';
import type { OpenedContext } from './context/open.ts';
import { packContext } from './context/pack.ts';
import { walkContext, type ContextEntry } from './context/walk.ts';

/** A context on its way to the engine. */
export interface SentContext {
  native: NativeContext;
  /** Of a folder: files by number, for when the engine asks. */
  entries: readonly ContextEntry[] | undefined;
}

/** Tells the engine of a context; files of a folder are sent only when it asks for them. */
export async function sendContext(client: EngineClient, opened: OpenedContext, signal: AbortSignal): Promise<SentContext> {
  switch (opened.kind) {
    case 'remote':
      return { native: { kind: 'remote', address: opened.remote }, entries: undefined };
    case 'tar':
      return { native: { kind: 'sent', id: (await client.builds.offerTar(opened.tar(), signal)).id }, entries: undefined };
    case 'folder':
      return sendFolder(client, opened.root, [...opened.entries()]);
  }
}

async function sendFolder(client: EngineClient, root: string, all: readonly ContextEntry[]): Promise<SentContext> {
  const entries = all.filter(({ stats }) => stats.isFile() || stats.isDirectory() || stats.isSymbolicLink());
  const { id } = await client.builds.offerContext(sharedKey(root), entries.map(offered));
  return { native: { kind: 'sent', id }, entries };
}

function offered({ path, stats, target }: ContextEntry): OfferedFile {
  const type = stats.isDirectory() ? 'dir' : stats.isSymbolicLink() ? 'symlink' : 'file';
  return [path, type, stats.mode & 0o7777, type === 'file' ? stats.size : 0, stats.mtimeMs, target];
}

/** The same folder of the same user on the same machine; others learn nothing from it. */
function sharedKey(root: string): string {
  return createHash('sha256').update([hostname(), homedir(), root].join('\0')).digest('hex');
}

/** Answers the engine's question for files. */
export async function sendFiles(client: EngineClient, id: string, sent: readonly SentContext[], files: readonly number[], signal: AbortSignal): Promise<void> {
  const context = sent.find(({ native }) => native.kind === 'sent' && native.id === id);
  const entries = files.flatMap((index) => context?.entries?.[index] ?? []);
  await client.builds.fillContext(id, packContext(entries, []), signal);
}

/** `--build-context name=...`. */
export async function sendNamed(client: EngineClient, text: string): Promise<{ name: string; sent: SentContext }> {
  const cut = text.indexOf('=');
  if (cut <= 0) throw new CliError(`invalid context value: ${text}, expected key=value`);
  const [name, value] = [text.slice(0, cut), text.slice(cut + 1)];
  if (value.startsWith('docker-image://')) return { name, sent: { native: { kind: 'image', reference: value.slice('docker-image://'.length) }, entries: undefined } };
  if (value.startsWith('oci-layout://')) throw new CliError('OCI layouts as contexts are not there yet: load the image, then use docker-image://');
  if (/^https?:\/\//.test(value) || (parseGitReference(value) !== undefined && statSync(value, { throwIfNoEntry: false }) === undefined)) {
    return { name, sent: { native: { kind: 'remote', address: value }, entries: undefined } };
  }
  if (statSync(value, { throwIfNoEntry: false })?.isDirectory() !== true) throw new CliError(`failed to get build context ${name}: stat ${value}: no such file or directory`);
  return { name, sent: await sendFolder(client, value, [...walkContext(value, undefined)]) };
}
