import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../command/command.ts';
import type { TlsTexts } from '../command/endpoint.ts';

/** A context as it lies in `contexts/meta/<sha256 of the name>/meta.json`. */
export interface StoredContext {
  name: string;
  metadata: Record<string, unknown>;
  endpoints: Record<string, { Host?: string; SkipTLSVerify?: boolean }>;
}

const tlsFiles = ['ca', 'cert', 'key'] as const;
const idOf = (name: string): string => createHash('sha256').update(name).digest('hex');
export const metaFolder = (folder: string, name: string): string => join(folder, 'contexts', 'meta', idOf(name));
export const tlsFolder = (folder: string, name: string): string => join(folder, 'contexts', 'tls', idOf(name));

/** All stored contexts, by name; `default` is none of them. */
export function listContexts(folder: string): StoredContext[] {
  let ids: string[];
  try {
    ids = readdirSync(join(folder, 'contexts', 'meta'));
  } catch {
    return [];
  }
  return ids.flatMap((id) => {
    try {
      return [parseMeta(readFileSync(join(folder, 'contexts', 'meta', id, 'meta.json'), 'utf8'))];
    } catch {
      return [];
    }
  }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Undefined when there is no such context. */
export function findContext(folder: string, name: string): StoredContext | undefined {
  try {
    return parseMeta(readFileSync(join(metaFolder(folder, name), 'meta.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

export function requireContext(folder: string, name: string): StoredContext {
  const found = findContext(folder, name);
  if (!found) throw new CliError(`context ${JSON.stringify(name)}: context not found: open ${join(metaFolder(folder, name), 'meta.json')}: no such file or directory`);
  return found;
}

export function parseMeta(text: string): StoredContext {
  const parsed = JSON.parse(text) as { Name?: unknown; Metadata?: unknown; Endpoints?: unknown };
  if (typeof parsed.Name !== 'string') throw new Error('the metadata of the context has no name');
  return {
    name: parsed.Name,
    metadata: (parsed.Metadata ?? {}) as Record<string, unknown>,
    endpoints: (parsed.Endpoints ?? {}) as StoredContext['endpoints'],
  };
}

export const metaJson = (context: StoredContext): string => JSON.stringify({ Name: context.name, Metadata: context.metadata, Endpoints: context.endpoints });

export function writeContext(folder: string, context: StoredContext, tls: Partial<Record<'ca' | 'cert' | 'key', string>> | undefined): void {
  const meta = metaFolder(folder, context.name);
  mkdirSync(meta, { recursive: true, mode: 0o755 });
  writeFileSync(join(meta, 'meta.json'), metaJson(context));
  if (!tls) return;
  const base = join(tlsFolder(folder, context.name), 'docker');
  rmSync(base, { recursive: true, force: true });
  if (Object.values(tls).every((text) => text === undefined)) return;
  mkdirSync(base, { recursive: true, mode: 0o700 });
  for (const name of tlsFiles) {
    const text = tls[name];
    if (text !== undefined) writeFileSync(join(base, `${name}.pem`), text, { mode: 0o600 });
  }
}

export function removeContext(folder: string, name: string): void {
  rmSync(metaFolder(folder, name), { recursive: true, force: true });
  rmSync(tlsFolder(folder, name), { recursive: true, force: true });
}

/** The PEM texts that are stored, by their short names. */
export function readTls(folder: string, name: string): Partial<Record<'ca' | 'cert' | 'key', string>> {
  return Object.fromEntries(tlsFiles.flatMap((file) => {
    try {
      return [[file, readFileSync(join(tlsFolder(folder, name), 'docker', `${file}.pem`), 'utf8')]];
    } catch {
      return [];
    }
  }));
}

export function readContextEndpoint(folder: string, name: string): { host: string; tls: TlsTexts | undefined } {
  const endpoint = requireContext(folder, name).endpoints['docker'];
  if (!endpoint?.Host) throw new CliError(`context ${JSON.stringify(name)} has no docker endpoint`);
  const files = readTls(folder, name);
  const any = Object.keys(files).length > 0 || endpoint.SkipTLSVerify === true;
  return {
    host: endpoint.Host,
    tls: any ? { ca: files.ca, cert: files.cert, key: files.key, verify: endpoint.SkipTLSVerify !== true } : undefined,
  };
}
