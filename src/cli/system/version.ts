import { API_VERSION } from '#api/version.ts';
import type { SystemVersion } from '#spec/wire/system.ts';
import type { Cli } from '../command/cli.ts';
import { defineCommand } from '../command/command.ts';
import { currentContext } from '../command/endpoint.ts';
import * as flag from '../command/flag.ts';
import { compileTemplate } from '../format/list.ts';
import { alignTabs } from '../format/tabwriter.ts';
import { typedView } from '../inspect/typed-view.ts';
import { execute } from '../template/execute.ts';
import { clientVersion } from './client-version.ts';

interface ClientPart {
  Platform: { Name: string };
  Version: string;
  ApiVersion: string;
  DefaultAPIVersion: string;
  GitCommit: string;
  GoVersion: string;
  Os: string;
  Arch: string;
  BuildTime: string;
  Context: string;
}

export const command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Show the versions of client and engine',
  flags: { format: flag.text('How to show it: json or a Go template', { short: 'f' }) },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const template = flags.format === '' ? undefined : compileTemplate(flags.format === 'json' ? '{{json .}}' : flags.format);
    let server: SystemVersion | null = null;
    let failure: unknown;
    let api = API_VERSION;
    try {
      const client = await cli.client();
      server = await client.system.version();
      api = await client.version();
      if (server.BuildTime) server.BuildTime = ansiTime(server.BuildTime);
      for (const { Details } of server.Components ?? []) {
        if (Details && typeof Details['BuildTime'] === 'string') Details['BuildTime'] = ansiTime(Details['BuildTime']);
      }
    } catch (error) {
      failure = error;
    }
    const own = clientPart(cli, api);
    if (template) {
      const view = typedView({ Client: own, Server: server });
      try {
        cli.out.write(execute(template, view.data, { ...view.options, name: 'version', structName: 'system.versionInfo' }));
      } finally {
        cli.out.write('\n');
      }
    } else cli.out.write(versionText(own, server));
    if (failure !== undefined) throw failure;
  },
});

function clientPart(cli: Cli, api: string): ClientPart {
  const own = clientVersion();
  return {
    Platform: { Name: 'Gantry' },
    Version: own.version,
    ApiVersion: api,
    DefaultAPIVersion: API_VERSION,
    GitCommit: own.commit,
    GoVersion: `node${process.versions.node}`,
    Os: process.platform,
    Arch: goArchitecture(process.arch),
    BuildTime: own.built === '' ? '' : ansiTime(own.built),
    Context: currentContext(cli.globals, cli.config),
  };
}

export const goArchitecture = (arch: string): string => ({ x64: 'amd64', ia32: '386' })[arch] ?? arch;

function versionText(client: ClientPart, server: SystemVersion | null): string {
  const lines = [
    `Client: ${client.Platform.Name}`,
    ` Version:\t${client.Version}`,
    ` API version:\t${client.ApiVersion}${client.ApiVersion === client.DefaultAPIVersion ? '' : ` (downgraded from ${client.DefaultAPIVersion})`}`,
    ` Node version:\t${process.versions.node}`,
    ` Git commit:\t${client.GitCommit}`,
    ...(client.BuildTime === '' ? [] : [` Built:\t${client.BuildTime}`]),
    ` OS/Arch:\t${client.Os}/${client.Arch}`,
    ` Context:\t${client.Context}`,
  ];
  if (server) {
    const platform = server.Platform?.Name ?? '';
    lines.push('', `Server:${platform === '' ? '' : ` ${platform}`}`);
    for (const component of componentsOf(server)) lines.push(...componentLines(component));
  }
  return `${alignTabs(lines.join('\n'), 20, 1)}\n`;
}

type Component = NonNullable<SystemVersion['Components']>[number];

function componentsOf(server: SystemVersion): Component[] {
  if (server.Components && server.Components.length > 0) return server.Components;
  const { Version = '', ApiVersion, MinAPIVersion, GoVersion, GitCommit, BuildTime, Os, Arch, Experimental } = server;
  return [{ Name: 'Engine', Version, Details: { ApiVersion, MinAPIVersion, GoVersion, GitCommit, BuildTime, Os, Arch, Experimental: String(Experimental ?? false) } }];
}

function componentLines({ Name, Version, Details }: Component): string[] {
  const details = Details ?? {};
  const get = (key: string): string => String(details[key] ?? '');
  if (Name !== 'Engine') {
    return [` ${Name}:`, `  Version:\t${Version}`, ...Object.keys(details).sort().map((key) => `  ${key}:\t${get(key)}`)];
  }
  return [
    ` ${Name}:`,
    `  Version:\t${Version}`,
    `  API version:\t${get('ApiVersion')} (minimum version ${get('MinAPIVersion')})`,
    `  Go version:\t${get('GoVersion')}`,
    `  Git commit:\t${get('GitCommit')}`,
    `  Built:\t${ansiTime(get('BuildTime'))}`,
    `  OS/Arch:\t${get('Os')}/${get('Arch')}`,
    `  Experimental:\t${get('Experimental')}`,
  ];
}

/** Go's time.ANSIC: `Thu Aug 13 05:35:48 2026`. What is no date stays. */
function ansiTime(text: string): string {
  const date = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(date.getTime())) return text;
  const [day = '', month = '', number = ''] = date.toUTCString().replace(',', '').split(' ').filter((_, at) => at !== 3).map(String);
  return `${day} ${number} ${month.replace(/^0/, ' ')} ${text.slice(11, 19)} ${date.getUTCFullYear()}`;
}
