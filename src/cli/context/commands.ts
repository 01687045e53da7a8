import { readFileSync } from 'node:fs';
import type { Cli } from '../command/cli.ts';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import { updateConfigFile } from '../command/config-file.ts';
import { currentContext, environmentHost, ownSocket } from '../command/endpoint.ts';
import { errorText } from '../command/error-text.ts';
import * as flag from '../command/flag.ts';
import { systemMessage } from '../container/options/environment.ts';
import { formatList } from '../format/list.ts';
import { naturalOrder } from '../format/order.ts';
import { inspectAll } from '../inspect/inspect.ts';
import { Row } from '../template/value.ts';
import { findContext, listContexts, metaFolder, readTls, removeContext, requireContext, tlsFolder, writeContext, type StoredContext } from './store.ts';

const DEFAULT_DESCRIPTION = 'Current DOCKER_HOST based configuration';
const endpointKeys = ['from', 'host', 'ca', 'cert', 'key', 'skip-tls-verify'];
const dockerFlag = flag.map('Endpoint: host=...,ca=FILE,cert=FILE,key=FILE,skip-tls-verify=true');
const endpointFlag: typeof dockerFlag = {
  ...dockerFlag,
  word: 'stringToString',
  parse: (value, before) => {
    const items = Object.fromEntries(value.split(',').map((item) => {
      const at = item.indexOf('=');
      if (at < 0) throw new Error(`${item} must be formatted as key=value`);
      return [item.slice(0, at), item.slice(at + 1)];
    }));
    return { ...before, ...items };
  },
};

const defaultHost = (cli: Cli): string => cli.globals.host[0] ?? (environmentHost() || `unix://${ownSocket()}`);

/** The context that stands for the machine's own engine, or the one that the environment names. */
const defaultContext = (cli: Cli): StoredContext => ({ name: 'default', metadata: {}, endpoints: { docker: { Host: defaultHost(cli), SkipTLSVerify: false } } });

function lookUp(cli: Cli, name: string): StoredContext {
  return name === 'default' ? defaultContext(cli) : requireContext(cli.configFolder, name);
}

function requireName(name: string): void {
  if (name === '') throw new CliError('context name cannot be empty');
  if (name === 'default') throw new CliError('"default" is a reserved context name');
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/.test(name)) {
    throw new CliError(`context name ${JSON.stringify(name)} is invalid, names are validated against regexp "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$"`);
  }
}

interface Made {
  endpoint: { Host: string; SkipTLSVerify: boolean };
  tls: Partial<Record<'ca' | 'cert' | 'key', string>>;
}

function makeEndpoint(cli: Cli, options: Readonly<Record<string, string>>): Made {
  const unknown = Object.keys(options).find((key) => !endpointKeys.includes(key));
  if (unknown !== undefined) throw new CliError(`unable to create docker endpoint config: unrecognized config key: ${unknown}`);
  if (options['from'] !== undefined) {
    const source = lookUp(cli, options['from']).endpoints['docker'];
    return { endpoint: { Host: source?.Host ?? '', SkipTLSVerify: source?.SkipTLSVerify ?? false }, tls: readTls(cli.configFolder, options['from']) };
  }
  const skip = options['skip-tls-verify'];
  if (skip !== undefined && !['true', 'false', '1', '0'].includes(skip)) throw new CliError(`unable to create docker endpoint config: skip-tls-verify: strconv.ParseBool: parsing ${JSON.stringify(skip)}: invalid syntax`);
  const tls = Object.fromEntries((['ca', 'cert', 'key'] as const).flatMap((name) => {
    const path = options[name];
    if (path === undefined || path === '') return [];
    try {
      return [[name, readFileSync(path, 'utf8')]];
    } catch (error) {
      throw new CliError(`unable to create docker endpoint config: open ${path}: ${systemMessage(error)}`);
    }
  }));
  return { endpoint: { Host: options['host'] ?? '', SkipTLSVerify: skip === 'true' || skip === '1' }, tls };
}

export const create: Command = defineCommand({
  usage: '[OPTIONS] CONTEXT',
  short: 'Make a context: a name for an engine and how to reach it',
  long: 'Keys of the endpoint:\n  from             copy the endpoint of this context\n  host             where the engine listens\n  ca, cert, key    files of TLS\n  skip-tls-verify  accept any certificate',
  flags: {
    description: flag.text('Description of the context'),
    docker: endpointFlag,
    from: flag.text('Copy this context', { complete: 'context' }),
  },
  args: { min: 1, max: 1 },
  async run({ cli, flags, given, args: [name = ''] }) {
    requireName(name);
    if (findContext(cli.configFolder, name)) throw new CliError(`context ${JSON.stringify(name)} already exists`);
    const copied = flags.from !== '' || !given.has('docker');
    const source = copied ? lookUp(cli, flags.from || currentContext(cli.globals, cli.config)) : undefined;
    const made = given.has('docker') ? makeEndpoint(cli, flags.docker) : makeEndpoint(cli, { from: source?.name ?? 'default' });
    const inherited = source?.name === 'default' ? { Description: DEFAULT_DESCRIPTION } : (source?.metadata ?? {});
    const metadata = { ...inherited, ...(flags.description === '' ? {} : { Description: flags.description }) };
    writeContext(cli.configFolder, { name, metadata, endpoints: { docker: made.endpoint } }, made.tls);
    cli.out.line(name);
    cli.err.line(`Successfully created context ${JSON.stringify(name)}`);
  },
});

export const update: Command = defineCommand({
  usage: '[OPTIONS] CONTEXT',
  short: 'Change a context',
  flags: { description: flag.text('Description of the context'), docker: endpointFlag },
  args: { min: 1, max: 1 },
  complete: ['context'],
  async run({ cli, flags, given, args: [name = ''] }) {
    requireName(name);
    const context = requireContext(cli.configFolder, name);
    const metadata = flags.description === '' ? context.metadata : { ...context.metadata, Description: flags.description };
    const made = given.has('docker') ? makeEndpoint(cli, flags.docker) : undefined;
    writeContext(cli.configFolder, { name, metadata, endpoints: made ? { ...context.endpoints, docker: made.endpoint } : context.endpoints }, made?.tls);
    cli.out.line(name);
    cli.err.line(`Successfully updated context ${JSON.stringify(name)}`);
  },
});

export const ls: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'List contexts',
  flags: { format: flag.text('How to show it: table, json, a Go template, or "table TEMPLATE"'), quiet: flag.bool('Show names only', { short: 'q' }) },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const current = currentContext(cli.globals, cli.config);
    const all = [{ ...defaultContext(cli), metadata: { Description: DEFAULT_DESCRIPTION } }, ...listContexts(cli.configFolder)];
    const missing = all.some((context) => context.name === current) ? [] : [{ name: current, metadata: {}, endpoints: {}, error: `context ${JSON.stringify(current)}: context not found` }];
    const entries: { name: string; metadata: Record<string, unknown>; endpoints: StoredContext['endpoints']; error?: string }[] = [...all, ...missing];
    const rows = entries.sort((a, b) => naturalOrder(a.name, b.name)).map((context) => new Row('*formatter.clientContextContext', {
      Current: () => context.name === current,
      Name: () => context.name,
      Description: () => String(context.metadata['Description'] ?? ''),
      DockerEndpoint: () => context.endpoints['docker']?.Host ?? '',
      Error: () => context.error ?? '',
    }));
    cli.out.write(formatList({
      format: flags.format,
      table: '{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}',
      quiet: flags.quiet ? '{{.Name}}' : undefined,
      quietAlways: true,
      headers: { Name: 'NAME', Description: 'DESCRIPTION', DockerEndpoint: 'DOCKER ENDPOINT', Error: 'ERROR' },
    }, rows));
    if (environmentHost() !== '') cli.err.line(overridden());
  },
});

const overridden = (): string =>
  `Warning: ${process.env['GANTRY_HOST'] ? 'GANTRY_HOST' : 'DOCKER_HOST'} environment variable overrides the active context. To use a context, either set the global --context flag, or unset ${process.env['GANTRY_HOST'] ? 'GANTRY_HOST' : 'DOCKER_HOST'} environment variable.`;

export const use: Command = defineCommand({
  usage: 'CONTEXT',
  short: 'Choose the context of the commands that follow',
  flags: {},
  args: { min: 1, max: 1 },
  complete: ['context'],
  async run({ cli, args: [name = ''] }) {
    if (name !== 'default') requireContext(cli.configFolder, name);
    updateConfigFile(cli.configFolder, 'currentContext', name === 'default' ? undefined : name);
    cli.out.line(name);
    cli.err.line(`Current context is now ${JSON.stringify(name)}`);
    if (name !== 'default' && environmentHost() !== '') cli.err.line(overridden());
  },
});

export const show: Command = defineCommand({
  usage: '',
  short: 'Print the name of the context in use',
  flags: {},
  args: { min: 0, max: 0 },
  run: async ({ cli }) => cli.out.line(currentContext(cli.globals, cli.config)),
});

export const inspect: Command = defineCommand({
  usage: '[OPTIONS] [CONTEXT] [CONTEXT...]',
  short: 'Show all that is known about contexts',
  flags: { format: flag.text('How to show it: json or a Go template', { short: 'f' }) },
  args: { min: 0, max: undefined },
  complete: ['context'],
  async run({ cli, flags, args }) {
    const names = args.length > 0 ? args : [currentContext(cli.globals, cli.config)];
    await inspectAll(cli, names, flags.format, async (name) => {
      const context = lookUp(cli, name);
      const own = name === 'default';
      const files = own ? [] : Object.keys(readTls(cli.configFolder, name)).map((file) => `${file}.pem`);
      return JSON.stringify({
        Name: context.name,
        Metadata: context.metadata,
        Endpoints: context.endpoints,
        TLSMaterial: files.length > 0 ? { docker: files } : {},
        Storage: own
          ? { MetadataPath: '<IN MEMORY>', TLSPath: '<IN MEMORY>' }
          : { MetadataPath: metaFolder(cli.configFolder, name), TLSPath: tlsFolder(cli.configFolder, name) },
      }).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e');
    });
  },
});

export const remove: Command = defineCommand({
  usage: 'CONTEXT [CONTEXT...]',
  short: 'Remove contexts',
  flags: { force: flag.bool('Remove also the context in use', { short: 'f' }) },
  args: { min: 1, max: undefined },
  complete: ['context'],
  async run({ cli, flags, args }) {
    const failures: string[] = [];
    for (const name of args) {
      try {
        if (name === 'default') throw new CliError('context "default" cannot be removed');
        const inUse = name === (cli.config.currentContext ?? 'default');
        if (inUse && !flags.force) throw new CliError(`context ${JSON.stringify(name)} is in use, set -f flag to force remove`);
        if (!flags.force) requireContext(cli.configFolder, name);
        removeContext(cli.configFolder, name);
        if (inUse) updateConfigFile(cli.configFolder, 'currentContext', undefined);
        cli.out.line(name);
      } catch (error) {
        failures.push(errorText(error));
      }
    }
    if (failures.length > 0) throw new CliError(failures.join('\n'));
  },
});
