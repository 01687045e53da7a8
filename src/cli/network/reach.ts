import type { NetworkPath, PublishedPortInfo } from '#spec/wire/network.ts';
import { defineCommand, type Command } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { formatList } from '../format/list.ts';
import { hostPort } from '../format/units.ts';
import { Row } from '../template/value.ts';

export const ports: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'List the published ports of all containers and who carries them',
  flags: { format: flag.text('How to show it: table, json, a Go template, or "table TEMPLATE"') },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const found = await (await cli.client()).networks.ports();
    const headers = { Host: 'HOST', Container: 'CONTAINER', Target: 'LEADS TO', Network: 'NETWORK', By: 'BY' };
    const table = '{{.Host}}\t{{.Container}}\t{{.Target}}\t{{.Network}}\t{{.By}}';
    cli.out.write(formatList({ format: flags.format, table, raw: '', quiet: undefined, headers }, found.map(portRow)));
  },
});

function portRow(port: PublishedPortInfo): Row {
  return new Row('*network.portContext', {
    Host: () => (port.HostPort === 0 ? '-' : `${hostPort(port.HostIp, String(port.HostPort))}/${port.Protocol}`),
    Container: () => port.Name,
    Target: () => hostPort(port.Address, String(port.Port)),
    Network: () => port.Network,
    By: () => port.By,
  });
}

export const explain: Command = defineCommand({
  usage: '[OPTIONS] FROM TO [PORT[/PROTO]]',
  short: 'Say whether one party reaches another, and which rule decides',
  long: 'FROM and TO are containers, addresses, "host" for this machine or "world" for other machines. Without a port the\nanswer is about pings. Exits with 1 when every way is closed.',
  flags: { format: flag.text('How to show it: table, json, or a Go template') },
  args: { min: 2, max: 3 },
  complete: ['running', 'running'],
  async run({ cli, flags, args: [from = '', to = '', port] }) {
    const paths = await (await cli.client()).networks.explain({ from, to, port });
    if (flags.format === '' || flags.format === 'table') cli.out.write(paths.length === 0 ? `There is no way from ${from} to ${to}: they share no network, and nothing is published.\n` : paths.map(pathText).join(''));
    else cli.out.write(formatList({ format: flags.format, table: '', raw: '', quiet: undefined, headers: {} }, paths.map(pathRow)));
    return paths.some(({ Allowed }) => Allowed) ? 0 : 1;
  },
});

function pathText({ Allowed, Way, Network, Address, HostPort, Chain, Rule, Reason }: NetworkPath): string {
  const where = Way === 'published' ? `by port ${HostPort} of the host to ${Address}` : `to ${Address || 'the outside'}`;
  const decides = Rule !== '' ? `${Chain}: ${Rule}` : Chain !== '' ? `${Chain}: no rule stands against it` : 'no rule of ours is asked';
  return `${Allowed ? 'open  ' : 'closed'}  ${where} (network ${Network})\n        ${decides}\n${Reason === undefined ? '' : `        ${Reason}\n`}`;
}

function pathRow(path: NetworkPath): Row {
  const { Allowed, Way, Network, Address, HostPort, Chain, Rule, Reason = '' } = path;
  return new Row('*network.pathContext', { Allowed: () => String(Allowed), Way: () => Way, Network: () => Network, Address: () => Address, HostPort: () => HostPort, Chain: () => Chain, Rule: () => Rule, Reason: () => Reason });
}
