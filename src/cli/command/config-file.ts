import { mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CliError } from './command.ts';

/** The facts of Docker's client configuration that the CLI honours. */
export interface ConfigFile {
  currentContext?: string;
  psFormat?: string;
  imagesFormat?: string;
  statsFormat?: string;
  networksFormat?: string;
  volumesFormat?: string;
  detachKeys?: string;
  HttpHeaders?: Record<string, string>;
  proxies?: Record<string, Record<string, string>>;
  /** What is stored in the file itself, by server; an empty entry when a helper has it. */
  auths?: Record<string, StoredAuth>;
  /** The helper for all servers, and those for single ones: NAME of `docker-credential-NAME`. */
  credsStore?: string;
  credHelpers?: Record<string, string>;
}

export interface StoredAuth {
  /** `user:password` in base64. */
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
}

export function configFolder(chosen: string): string {
  return chosen || process.env['DOCKER_CONFIG'] || join(process.env['HOME'] || homedir(), '.docker');
}

const strings = ['currentContext', 'psFormat', 'imagesFormat', 'statsFormat', 'networksFormat', 'volumesFormat', 'detachKeys', 'credsStore'] as const;

/** Empty when there is no file. */
export function readConfigFile(folder: string): ConfigFile {
  const path = join(folder, 'config.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new CliError(`Error loading config file: ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof parsed !== 'object' || parsed === null) return {};
  const source = parsed as Record<string, unknown>;
  const config: ConfigFile = {};
  for (const key of strings) {
    const value = source[key];
    if (typeof value === 'string') config[key] = value;
  }
  const headers = source['HttpHeaders'];
  if (isTexts(headers)) config.HttpHeaders = headers;
  const helpers = source['credHelpers'];
  if (isTexts(helpers)) config.credHelpers = helpers;
  const auths = source['auths'];
  if (typeof auths === 'object' && auths !== null) {
    config.auths = Object.fromEntries(Object.entries(auths as Record<string, unknown>).filter((entry): entry is [string, StoredAuth] => isTexts(entry[1])));
  }
  const proxies = source['proxies'];
  if (typeof proxies === 'object' && proxies !== null) {
    config.proxies = Object.fromEntries(Object.entries(proxies).filter((entry): entry is [string, Record<string, string>] => isTexts(entry[1])));
  }
  return config;
}

function isTexts(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && Object.values(value).every((item) => typeof item === 'string');
}

/** Sets or removes one text of the file; everything else in it stays. */
export function updateConfigFile(folder: string, key: 'currentContext', value: string | undefined): void {
  editConfigFile(folder, (source) => {
    if (value === undefined) delete source[key];
    else source[key] = value;
  });
}

/** Changes the file, which appears whole, readable by its owner only; a symlink in its place stays one. */
export function editConfigFile(folder: string, edit: (source: Record<string, unknown>) => void): void {
  const given = join(folder, 'config.json');
  let path = given;
  let source: Record<string, unknown> = {};
  try {
    path = realpathSync(given);
    source = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) throw new CliError(`Error loading config file: ${path}: ${error.message}`);
  }
  edit(source);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(source, null, '\t')}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}
