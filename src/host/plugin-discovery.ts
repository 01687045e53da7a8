/** Where legacy plugins are found, by Docker's convention: sockets in one kind of folder, descriptions in the other. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { invalid, messageOf } from '#base/errors.ts';

export interface PluginFolders {
  /** `NAME.sock` or `NAME/NAME.sock`. */
  sockets: readonly string[];
  /** `NAME.spec` (one URL) or `NAME.json`, each also as `NAME/NAME.*`. */
  specs: readonly string[];
}

/** An engine's own folders first, then Docker's. */
export const pluginFolders = (run: string): PluginFolders => ({
  sockets: [join(run, 'plugins'), '/run/docker/plugins'],
  specs: ['/etc/gantry/plugins', '/etc/docker/plugins', '/usr/lib/docker/plugins'],
});

/** Where a plugin listens. */
export type PluginAddress =
  | { kind: 'unix'; path: string }
  | { kind: 'tcp'; host: string; port: number; tls: PluginTls | undefined };

export interface PluginTls {
  /** True accepts any certificate. */
  insecure: boolean;
  caFile: string | undefined;
  certFile: string | undefined;
  keyFile: string | undefined;
}

const LARGEST_SPEC = 64 * 1024;

/** Undefined when no folder knows the plugin. Throws invalid_argument for a description that makes no sense. */
export function findPlugin(folders: PluginFolders, name: string): PluginAddress | undefined {
  if (!isPluginName(name)) return undefined;
  const paths = (list: readonly string[], extension: string): string[] =>
    list.flatMap((folder) => [join(folder, name + extension), join(folder, name, name + extension)]);
  const socket = paths(folders.sockets, '.sock').find((path) => statSync(path, { throwIfNoEntry: false })?.isSocket());
  if (socket !== undefined) return { kind: 'unix', path: socket };
  for (const path of paths(folders.specs, '.spec')) {
    const text = readSmall(path);
    if (text !== undefined) return parseAddress(text.trim(), undefined, path);
  }
  for (const path of paths(folders.specs, '.json')) {
    const text = readSmall(path);
    if (text !== undefined) return parseJsonSpec(text, path);
  }
  return undefined;
}

/** Names of all plugins that the folders know, each once. */
export function listPlugins(folders: PluginFolders): string[] {
  const found = new Set<string>();
  const look = (folder: string, extensions: readonly string[], inner: boolean): void => {
    for (const entry of entriesOf(folder)) {
      const extension = extensions.find((ending) => entry.name.endsWith(ending));
      const name = basename(entry.name, extension);
      if (extension !== undefined && isPluginName(name)) found.add(name);
      if (inner && entry.isDirectory() && extensions.some((ending) => statSync(join(folder, entry.name, entry.name + ending), { throwIfNoEntry: false }))) found.add(entry.name);
    }
  };
  for (const folder of folders.sockets) look(folder, ['.sock'], true);
  for (const folder of folders.specs) look(folder, ['.spec', '.json'], true);
  return [...found].sort();
}

/** A name is one path component and nothing else, for it becomes part of a path. */
const isPluginName = (name: string): boolean => /^[\w][\w.-]{0,127}$/.test(name);

function entriesOf(folder: string): { name: string; isDirectory: () => boolean }[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function readSmall(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) return undefined;
  if (stat.size > LARGEST_SPEC) throw invalid(`the plugin description ${path} is larger than ${LARGEST_SPEC} bytes`);
  return readFileSync(path, 'utf8');
}

function parseJsonSpec(text: string, path: string): PluginAddress {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalid(`the plugin description ${path} is no JSON: ${messageOf(error)}`, { cause: error });
  }
  const spec = asObject(json);
  const tls = asObject(spec['TLSConfig']);
  const file = (key: string): string | undefined => (typeof tls[key] === 'string' && tls[key] !== '' ? tls[key] : undefined);
  const given = spec['TLSConfig'] === undefined || spec['TLSConfig'] === null
    ? undefined
    : { insecure: tls['InsecureSkipVerify'] === true, caFile: file('CAFile'), certFile: file('CertFile'), keyFile: file('KeyFile') };
  return parseAddress(typeof spec['Addr'] === 'string' ? spec['Addr'] : '', given, path);
}

function parseAddress(text: string, tls: PluginTls | undefined, path: string): PluginAddress {
  if (/^unix:\/\/\/./.test(text)) return { kind: 'unix', path: text.slice('unix://'.length) };
  const url = URL.parse(text);
  if (url !== null && ['tcp:', 'http:', 'https:'].includes(url.protocol) && url.hostname !== '' && url.port !== '') {
    const secure = url.protocol === 'https:' && tls === undefined ? { insecure: false, caFile: undefined, certFile: undefined, keyFile: undefined } : tls;
    return { kind: 'tcp', host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port), tls: secure };
  }
  throw invalid(`the plugin description ${path} has no usable address ${JSON.stringify(text)}: expected unix:///path or tcp://host:port`);
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
