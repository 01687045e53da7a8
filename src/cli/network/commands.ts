import { EngineError } from '#base/errors.ts';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import { confirmOrStop } from '../command/confirm.ts';
import { errorText } from '../command/error-text.ts';
import * as flag from '../command/flag.ts';
import { pairs } from '../container/options/csv.ts';
import { labelItem } from '../container/options/environment.ts';
import { formatList } from '../format/list.ts';
import { naturalOrder } from '../format/order.ts';
import { addressPools } from './address-pools.ts';
import { networkHeaders, networkRow } from './row.ts';

export const ls: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'List networks',
  flags: {
    filter: flag.filters('Show only what matches (driver=bridge, name=..., label=..., dangling=true)', { short: 'f' }),
    format: flag.text('How to show it: table, json, a Go template, or "table TEMPLATE"'),
    'no-trunc': flag.bool('Do not shorten anything'),
    quiet: flag.bool('Show ids only', { short: 'q' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const networks = (await (await cli.client()).networks.list(flags.filter)).sort((a, b) => naturalOrder(a.Name ?? '', b.Name ?? ''));
    const format = flags.format || (flags.quiet ? '' : (cli.config.networksFormat ?? ''));
    const quiet = flags.quiet ? '{{.ID}}' : undefined;
    const raw = quiet === undefined ? 'network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n' : 'network_id: {{.ID}}';
    cli.out.write(formatList({ format, table: '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}', raw, quiet, headers: networkHeaders }, networks.map((network) => networkRow(network, !flags['no-trunc']))));
  },
});

export const create: Command = defineCommand({
  usage: '[OPTIONS] NETWORK',
  short: 'Make a network',
  flags: {
    attachable: flag.bool('Let containers join by hand'),
    'aux-address': flag.map('An address that containers must not get (NAME=ADDRESS)'),
    'config-from': flag.text('Take the configuration of this network', { complete: 'network' }),
    'config-only': flag.bool('Make a configuration for other networks'),
    driver: flag.text('Driver of the network', { short: 'd', default: 'bridge', complete: ['bridge', 'macvlan', 'ipvlan', 'overlay'] }),
    gateway: flag.csv('Gateway of a subnet'),
    ingress: flag.bool('Make the routing mesh of a swarm'),
    internal: flag.bool('Keep the network from the outside'),
    'ip-range': flag.csv('Give addresses from this part of a subnet'),
    'ipam-driver': flag.text('Driver of the addresses', { default: 'default' }),
    'ipam-opt': flag.map('Set an option of the address driver (KEY=VALUE)'),
    ipv4: flag.bool('Give IPv4 addresses', { default: true }),
    ipv6: flag.bool('Give IPv6 addresses'),
    label: flag.list('Label the network (KEY=VALUE)', { check: labelItem }),
    opt: flag.map('Set an option of the driver (KEY=VALUE)', { short: 'o' }),
    scope: flag.text('How far the network reaches'),
    subnet: flag.csv('Subnet in CIDR form'),
  },
  args: { min: 1, max: 1 },
  async run({ cli, flags, given, args: [name = ''] }) {
    const config = addressPools({ subnets: flags.subnet, ranges: flags['ip-range'], gateways: flags.gateway, reserved: flags['aux-address'] });
    const { Id, Warning } = await (await cli.client()).networks.create({
      Name: name,
      Driver: flags.driver,
      Options: flags.opt,
      IPAM: { Driver: flags['ipam-driver'], Config: config, Options: flags['ipam-opt'] },
      Internal: flags.internal,
      ...(given.has('ipv4') ? { EnableIPv4: flags.ipv4 } : {}),
      ...(given.has('ipv6') ? { EnableIPv6: flags.ipv6 } : {}),
      Attachable: flags.attachable,
      Ingress: flags.ingress,
      Scope: flags.scope,
      ConfigOnly: flags['config-only'],
      ...(flags['config-from'] === '' ? {} : { ConfigFrom: { Network: flags['config-from'] } }),
      Labels: pairs(flags.label),
    });
    if (Warning) cli.err.line(`WARNING: ${Warning}`);
    cli.out.line(Id);
  },
});

export const remove: Command = defineCommand({
  usage: 'NETWORK [NETWORK...]',
  short: 'Remove networks',
  flags: { force: flag.bool('Do not mind when there is none', { short: 'f' }) },
  args: { min: 1, max: undefined },
  complete: ['network'],
  async run({ cli, flags, args }) {
    const client = await cli.client();
    let failed = false;
    for (const name of args) {
      try {
        await client.networks.remove(name);
        cli.out.line(name);
      } catch (error) {
        if (flags.force && error instanceof EngineError && error.code === 'not_found') continue;
        cli.err.line(errorText(error));
        failed = true;
      }
    }
    if (failed) throw new CliError('exit status 1');
  },
});

export const prune: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove networks that no container uses',
  flags: {
    filter: flag.filters('Remove only what matches (until=24h, label=...)'),
    force: flag.bool('Do not ask', { short: 'f' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    if (!flags.force) confirmOrStop(cli, 'WARNING! This will remove all custom networks not used by at least one container.');
    const { NetworksDeleted } = await (await cli.client()).networks.prune(flags.filter);
    if ((NetworksDeleted ?? []).length > 0) cli.out.write(`Deleted Networks:\n${(NetworksDeleted ?? []).map((name) => `${name}\n`).join('')}\n`);
  },
});

export const connect: Command = defineCommand({
  usage: '[OPTIONS] NETWORK CONTAINER',
  short: 'Connect a container to a network',
  flags: {
    alias: flag.csv('Another name of the container in the network'),
    'driver-opt': flag.csv('Set an option of the driver (KEY=VALUE)'),
    'gw-priority': flag.int('The network with the highest number provides the default gateway'),
    ip: flag.text('IPv4 address of the container'),
    ip6: flag.text('IPv6 address of the container'),
    link: flag.list('Make another container known by name (CONTAINER[:ALIAS])', { complete: 'container' }),
    'link-local-ip': flag.csv('Link-local address of the container'),
  },
  args: { min: 2, max: 2 },
  complete: ['network', 'container'],
  async run({ cli, flags, args: [network = '', container = ''] }) {
    const wrong = flags['driver-opt'].find((item) => !/^[^=]+=/.test(item));
    if (wrong !== undefined) throw new CliError('invalid key/value pair format in driver options');
    await (await cli.client()).networks.connect(network, {
      Container: container,
      EndpointConfig: {
        IPAMConfig: { IPv4Address: flags.ip, IPv6Address: flags.ip6, LinkLocalIPs: [...flags['link-local-ip']] },
        Links: [...flags.link],
        Aliases: [...flags.alias],
        DriverOpts: pairs(flags['driver-opt']),
        GwPriority: flags['gw-priority'],
      },
    });
  },
});

export const disconnect: Command = defineCommand({
  usage: '[OPTIONS] NETWORK CONTAINER',
  short: 'Disconnect a container from a network',
  flags: { force: flag.bool('Disconnect whatever state the container is in', { short: 'f' }) },
  args: { min: 2, max: 2 },
  complete: ['network', 'container'],
  async run({ cli, flags, args: [network = '', container = ''] }) {
    await (await cli.client()).networks.disconnect(network, { Container: container, Force: flags.force });
  },
});
