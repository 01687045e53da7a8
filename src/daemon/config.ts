import { readFileSync } from 'node:fs';
import { defaultFolders, defaultSocket } from '#base/folders.ts';
import { invalid, isErrno, messageOf } from '#base/errors.ts';
import type { LogLevel } from '#base/log.ts';
import { parseCommandLine } from '#spec/daemon/command-line.ts';
import { type Address, parseAddress, tlsFrom, type TlsFiles } from './address.ts';
import { isOptionKey, OPTIONS, type Option, type OptionKey, type Settings } from '#spec/daemon/options.ts';
import { valueFromFile } from '#spec/daemon/option-values.ts';

/** What one engine process does, decided once at its start. */
export interface EngineConfig {
  readonly root: string;
  readonly run: string;
  readonly configFile: string;
  readonly pidFile: string;
  readonly addresses: readonly Address[];
  readonly tls: TlsFiles | undefined;
  /** Group of the unix sockets; `gantry` unless said, and then it need not exist. */
  readonly group: { name: string; required: boolean };
  readonly debug: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: 'text' | 'json';
  readonly validate: boolean;
  /** Every option that was given, by its daemon.json key. */
  readonly settings: Readonly<Settings>;
  /** Sentences about options that were given and change nothing, and about insecure choices. */
  readonly warnings: readonly string[];
}

export interface ConfigSource {
  args: readonly string[];
  user: number;
  env: Readonly<Record<string, string | undefined>>;
  /** Undefined when there is no such file. */
  readFile(path: string): string | undefined;
}

/** Reads flags and the configuration file. Throws invalid_argument with one sentence that names the key. */
export function loadConfig(source: ConfigSource = processSource()): EngineConfig {
  const line = parseCommandLine(source.args);
  const configFile = line.configFile ?? defaultConfigFile(source);
  const text = source.readFile(configFile);
  if (text === undefined && line.configFile !== undefined) throw invalid(`the configuration file ${configFile} does not exist`);
  const fromFile = text === undefined ? {} : parseFile(text, configFile);
  refuseBoth(line.settings, fromFile, configFile);
  const settings: Settings = { ...fromFile, ...line.settings };
  const warnings = judge(settings);
  const folders = defaultFolders(source);
  const root = settings['data-root'] ?? folders.root;
  const run = settings['exec-root'] ?? folders.run;
  for (const [key, path] of [['data-root', root], ['exec-root', run]]) {
    if (!path?.startsWith('/')) throw invalid(`${key} must be an absolute path, not ${JSON.stringify(path)}`);
  }
  const tls = tlsFrom(settings, `${source.env['HOME'] ?? ''}/.docker`);
  const hosts = settings.hosts ?? [`unix://${defaultSocket({ run })}`];
  const addresses = hosts.map((host) => parseAddress(host, { tls: tls !== undefined, socket: defaultSocket({ run }) }));
  warnings.push(...judgeTcp(addresses, tls, line.allowInsecureTcp));
  return {
    root,
    run,
    configFile,
    pidFile: settings.pidfile ?? `${run}/engine.pid`,
    addresses,
    tls,
    group: settings.group === undefined ? { name: 'gantry', required: false } : { name: settings.group, required: settings.group !== '' },
    debug: settings.debug ?? false,
    logLevel: settings.debug === true ? 'debug' : logLevel(settings['log-level']),
    logFormat: logFormat(settings['log-format']),
    validate: line.validate,
    settings,
    warnings,
  };
}

function processSource(): ConfigSource {
  return {
    args: process.argv.slice(2),
    user: process.geteuid?.() ?? 0,
    env: process.env,
    readFile: (path) => {
      try {
        return readFileSync(path, 'utf8');
      } catch (error) {
        if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
        throw invalid(`the configuration file ${path} cannot be read: ${messageOf(error)}`);
      }
    },
  };
}

function defaultConfigFile({ user, env }: ConfigSource): string {
  return user === 0 ? '/etc/gantry/daemon.json' : `${env['XDG_CONFIG_HOME'] ?? `${env['HOME'] ?? ''}/.config`}/gantry/daemon.json`;
}

function parseFile(text: string, path: string): Settings {
  let parsed: unknown;
  try {
    parsed = text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw invalid(`the configuration file ${path} is not JSON: ${messageOf(error)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalid(`the configuration file ${path} must hold one JSON object`);
  const unknown = Object.keys(parsed).filter((key) => !isOptionKey(key));
  if (unknown.length > 0) {
    throw invalid(`unable to configure the engine with file ${path}: the following directives don't match any configuration option: ${unknown.join(', ')}`);
  }
  const settings: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(parsed) as [OptionKey, unknown][]) {
    settings[key] = valueFromFile(OPTIONS[key], value, `${key} in ${path}`);
  }
  return settings;
}

function refuseBoth(flags: Settings, file: Settings, path: string): void {
  const both = (Object.keys(flags) as OptionKey[]).filter((key) => key in file);
  if (both.length === 0) return;
  const list = both.map((key) => `${key}: (from flag: ${JSON.stringify(flags[key])}, from file: ${JSON.stringify(file[key])})`);
  throw invalid(
    `unable to configure the engine with file ${path}: the following directives are specified both as a flag and in the configuration file: ${list.join(', ')}`,
  );
}

/** Refuses what cannot be done; returns a sentence for each option that changes nothing. */
function judge(settings: Settings): string[] {
  const warnings: string[] = [];
  for (const key of Object.keys(settings) as OptionKey[]) {
    const option: Option = OPTIONS[key];
    const value = settings[key];
    if (option.fate.fate === 'moot') warnings.push(`${key} changes nothing: ${option.fate.why}`);
    if (option.fate.fate === 'refused') {
      const values: unknown[] = Array.isArray(value) ? value : [value];
      const { unless } = option.fate;
      if (!values.every((item) => unless.includes(item))) throw invalid(`${key}=${JSON.stringify(value)} is refused: ${option.fate.why}`);
    }
  }
  return warnings;
}

function judgeTcp(addresses: readonly Address[], tls: TlsFiles | undefined, insecureAllowed: boolean): string[] {
  const warnings: string[] = [];
  for (const address of addresses) {
    if (address.kind !== 'tcp' || tls?.verify) continue;
    const shown = `tcp://${address.host}:${address.port}`;
    if (!insecureAllowed) {
      throw invalid(
        `${shown} without client certificates gives everyone who reaches it the rights of the engine's user: use --tlsverify, or repeat the wish with --allow-insecure-tcp`,
      );
    }
    warnings.push(`${shown} lets everyone who reaches it act with the rights of the engine's user`);
  }
  return warnings;
}

function logLevel(text: string | undefined): LogLevel {
  switch (text) {
    case undefined:
    case 'info':
      return 'info';
    case 'debug':
    case 'warn':
    case 'error':
      return text;
    case 'fatal':
      return 'error';
    default:
      throw invalid(`invalid log-level ${JSON.stringify(text)}: it is debug, info, warn, error or fatal`);
  }
}

function logFormat(text: string | undefined): 'text' | 'json' {
  if (text === undefined || text === 'text' || text === 'json') return text ?? 'text';
  throw invalid(`invalid log-format ${JSON.stringify(text)}: it is text or json`);
}
