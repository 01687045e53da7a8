/** An image room of its own in a temporary folder, and archives made to measure. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { silentLog } from '#base/log.ts';
import type { EngineEvent } from '#spec/event.ts';
import { TAR_END, tarHeader, tarPadding, type TarMember } from '#spec/tar/writer.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import { openDatabase } from '#host/database.ts';
import { createJail, type Jail } from '#host/jail.ts';
import { createLayout, type Layout } from '#host/layout.ts';
import { kernelMounts } from '#host/mount.ts';
import type { ImageUser } from '#image/context.ts';
import { createImages, type Images } from '#image/images.ts';
import type { RegistriesOptions } from '#image/registry/registries.ts';
import { registryMigrations } from '#image/registry/schema.ts';
import { imageMigrations } from '#image/schema.ts';

export const needsRoot = { skip: process.getuid?.() === 0 ? false : 'needs root: layers keep owners and devices' };

export interface Workshop {
  root: string;
  layout: Layout;
  jail: Jail;
  images: Images;
  events: EngineEvent[];
  users: ImageUser[];
  folder(...names: string[]): string;
  /** As after a restart: another image room on the same files. */
  reopen(): Promise<Images>;
  /** No temporary files, and nothing stored beyond these. */
  assertStored(counts: { layers: number; blobs: number }): void;
}

/** Cleans up after the file's tests and says so when a mount is left. */
export function workshop(options: { registries?: RegistriesOptions; folder?: string } = {}): Workshop {
  const root = mkdtempSync(join(options.folder ?? tmpdir(), 'images-'));
  const layout = createLayout(join(root, 'data'), join(root, 'run'));
  mkdirSync(layout.root, { recursive: true });
  const jail = createJail({ idleMs: 500 });
  const events: EngineEvent[] = [];
  const users: ImageUser[] = [];
  const open = (): { images: Images; close: () => void } => {
    const db = openDatabase(layout.database, [...imageMigrations, ...registryMigrations]);
    return { images: createImages({ layout, db, log: silentLog, emit: (event) => void events.push(event), usage: () => users, jail, ...(options.registries === undefined ? {} : { registries: options.registries }) }), close: () => db.close() };
  };
  let current = open();
  after(async () => {
    await jail.close();
    current.close();
    const left = kernelMounts.list(root);
    for (const { target } of left.toReversed()) kernelMounts.unmount(target);
    rmSync(root, { recursive: true });
    assert.deepEqual(left, []);
  });
  return {
    root,
    layout,
    jail,
    images: current.images,
    events,
    users,
    folder(...names) {
      const path = join(root, ...names);
      mkdirSync(path, { recursive: true });
      return path;
    },
    async reopen() {
      current.close();
      current = open();
      await current.images.recover();
      return current.images;
    },
    assertStored({ layers, blobs }) {
      assert.deepEqual(readdirSync(layout.tmp), []);
      assert.equal(readdirSync(layout.layers).length, layers, 'layers');
      assert.equal(readdirSync(layout.blobs).length, blobs, 'blobs');
    },
  };
}

export type Member = Partial<TarMember> & { name: string; content?: string | Uint8Array };

export function archive(...members: Member[]): Buffer {
  const parts = members.flatMap(({ content, ...member }) => {
    const bytes = Buffer.from(content ?? '');
    return [tarHeader({ type: 'file', mode: 0o644, ...member, size: bytes.length }), bytes, tarPadding(bytes.length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

/** In pieces, as a socket delivers. */
export async function* stream(bytes: Uint8Array, piece = 5000): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += piece) yield bytes.subarray(offset, offset + piece);
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

export async function messages(lines: AsyncIterable<JsonMessage>): Promise<JsonMessage[]> {
  const all: JsonMessage[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

/** Imports an archive; returns the image's id. */
export async function importTar(images: Images, tar: Uint8Array, options: { repo?: string; tag?: string; changes?: string[] } = {}): Promise<string> {
  const lines = await messages(
    images.import(stream(tar), { repo: options.repo, tag: options.tag, message: '', changes: options.changes ?? [], platform: undefined }),
  );
  return lines.at(-1)?.status ?? '';
}

export const load = (images: Images, tar: Uint8Array): Promise<JsonMessage[]> => messages(images.load(stream(tar), { quiet: true, platforms: [] }));
export const save = async (images: Images, ...names: string[]): Promise<Buffer> =>
  collect(await images.save(names, { platforms: [] }, new AbortController().signal));
