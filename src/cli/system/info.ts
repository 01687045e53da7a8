import type { SystemInfo } from '#spec/wire/system.ts';
import type { Cli } from '../command/cli.ts';
import { CliError, defineCommand } from '../command/command.ts';
import { currentContext } from '../command/endpoint.ts';
import { errorText } from '../command/error-text.ts';
import * as flag from '../command/flag.ts';
import { compileTemplate } from '../format/list.ts';
import { binarySize } from '../format/units.ts';
import { typedView } from '../inspect/typed-view.ts';
import { execute } from '../template/execute.ts';
import { goJson } from '../template/value.ts';
import { clientVersion } from './client-version.ts';
import { goArchitecture } from './version.ts';

export const command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Show the state of engine and machine',
  flags: { format: flag.text('How to show it: json or a Go template', { short: 'f' }) },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const own = clientVersion();
    const client = {
      Debug: cli.globals.debug,
      Platform: { Name: 'Gantry' },
      Version: own.version,
      GitCommit: own.commit,
      Os: process.platform,
      Arch: goArchitecture(process.arch),
      BuildTime: own.built,
      Context: currentContext(cli.globals, cli.config),
      Plugins: [],
      Warnings: null,
    };
    let server: SystemInfo | undefined;
    const errors: string[] = [];
    try {
      server = await (await cli.client()).system.info();
    } catch (error) {
      errors.push(errorText(error));
      if (flags.format !== '') cli.err.line(errorText(error));
    }
    if (flags.format !== '') {
      const data = { ...server, ...(errors.length > 0 ? { ServerErrors: errors } : {}), ClientInfo: client };
      if (flags.format === 'json') cli.out.line(goJson(data));
      else {
        const view = typedView(data);
        const template = compileTemplate(flags.format);
        try {
          cli.out.write(execute(template, view.data, { ...view.options, structName: 'system.dockerInfo' }));
        } finally {
          cli.out.write('\n');
        }
      }
      if (errors.length > 0) throw new CliError('', 1);
      return;
    }
    cli.out.line(`Client: ${client.Platform.Name}\n Version:    ${client.Version}\n Context:    ${client.Context}\n Debug Mode: ${client.Debug}\n\nServer:`);
    if (server) printServer(cli, server);
    if (errors.length > 0) throw new CliError(errors.join('\n'));
  },
});

function printServer(cli: Cli, info: SystemInfo): void {
  const lines: string[] = [];
  const add = (text: string): number => lines.push(text);
  const some = (label: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== '') add(` ${label}: ${value}`);
  };
  add(` Containers: ${info.Containers ?? 0}`);
  add(`  Running: ${info.ContainersRunning ?? 0}`);
  add(`  Paused: ${info.ContainersPaused ?? 0}`);
  add(`  Stopped: ${info.ContainersStopped ?? 0}`);
  add(` Images: ${info.Images ?? 0}`);
  some('Server Version', info.ServerVersion);
  some('Storage Driver', info.Driver);
  for (const [key, value] of info.DriverStatus ?? []) add(`  ${key}: ${value}`);
  some('Logging Driver', info.LoggingDriver);
  some('Cgroup Driver', info.CgroupDriver);
  some('Cgroup Version', info.CgroupVersion);
  add(' Plugins:');
  add(`  Volume: ${(info.Plugins?.Volume ?? []).join(' ')}`);
  add(`  Network: ${(info.Plugins?.Network ?? []).join(' ')}`);
  if ((info.Plugins?.Authorization ?? []).length > 0) add(`  Authorization: ${(info.Plugins?.Authorization ?? []).join(' ')}`);
  add(`  Log: ${(info.Plugins?.Log ?? []).join(' ')}`);
  if ((info.CDISpecDirs ?? []).length > 0) lines.push(' CDI spec directories:', ...(info.CDISpecDirs ?? []).map((folder) => `  ${folder}`));
  add(` Swarm: ${info.Swarm?.LocalNodeState ?? 'inactive'}`);
  if (Object.keys(info.Runtimes ?? {}).length > 0) {
    add(` Runtimes: ${Object.keys(info.Runtimes ?? {}).join(' ')}`);
    add(` Default Runtime: ${info.DefaultRuntime ?? ''}`);
  }
  if (info.OSType === 'linux') {
    add(` Init Binary: ${info.InitBinary ?? ''}`);
    add(` containerd version: ${info.ContainerdCommit?.ID ?? ''}`);
    add(` runc version: ${info.RuncCommit?.ID ?? ''}`);
    add(` init version: ${info.InitCommit?.ID ?? ''}`);
    if ((info.SecurityOptions ?? []).length > 0) lines.push(' Security Options:', ...(info.SecurityOptions ?? []).flatMap(securityLines));
  }
  some('Kernel Version', info.KernelVersion);
  some('Operating System', info.OperatingSystem);
  some('OSType', info.OSType);
  some('Architecture', info.Architecture);
  add(` CPUs: ${info.NCPU ?? 0}`);
  add(` Total Memory: ${binarySize(info.MemTotal ?? 0)}`);
  some('Name', info.Name);
  some('ID', info.ID);
  add(` Docker Root Dir: ${info.DockerRootDir ?? ''}`);
  add(` Debug Mode: ${info.Debug ?? false}`);
  if (info.Debug === true || cli.globals.debug) {
    add(`  File Descriptors: ${info.NFd ?? 0}`);
    add(`  Goroutines: ${info.NGoroutines ?? 0}`);
    add(`  System Time: ${info.SystemTime ?? ''}`);
    add(`  EventsListeners: ${info.NEventsListener ?? 0}`);
  }
  some('HTTP Proxy', info.HttpProxy);
  some('HTTPS Proxy', info.HttpsProxy);
  some('No Proxy', info.NoProxy);
  if ((info.Labels ?? []).length > 0) lines.push(' Labels:', ...(info.Labels ?? []).map((label) => `  ${label}`));
  add(` Experimental: ${info.ExperimentalBuild ?? false}`);
  const registries = info.RegistryConfig;
  const insecure = [...Object.values(registries?.IndexConfigs ?? {}).filter((index) => index.Secure !== true).map((index) => index.Name ?? ''), ...(registries?.InsecureRegistryCIDRs ?? [])];
  if (registries && (Object.keys(registries.IndexConfigs ?? {}).length > 0 || insecure.length > 0)) lines.push(' Insecure Registries:', ...insecure.map((name) => `  ${name}`));
  if ((registries?.Mirrors ?? []).length > 0) lines.push(' Registry Mirrors:', ...(registries?.Mirrors ?? []).map((mirror) => `  ${mirror}`));
  add(` Live Restore Enabled: ${info.LiveRestoreEnabled ?? false}`);
  some('Product License', info.ProductLicense);
  if ((info.DefaultAddressPools ?? []).length > 0) {
    lines.push(' Default Address Pools:', ...(info.DefaultAddressPools ?? []).map((pool) => `   Base: ${pool.Base ?? ''}, Size: ${pool.Size ?? 0}`));
  }
  cli.out.line(`${lines.join('\n')}\n`);
  for (const warning of info.Warnings ?? []) cli.err.line(warning);
}

/** `name=seccomp,profile=builtin` */
function securityLines(option: string): string[] {
  if (!option.includes('=')) return [`  ${option}`];
  const fields = option.split(',').map((field) => field.split('='));
  const name = fields.find(([key]) => key === 'name')?.[1] ?? option;
  return [`  ${name}`, ...fields.filter(([key]) => key === 'profile').map(([, value]) => `   Profile: ${value ?? ''}`)];
}
