import type { PortBinding } from '#spec/wire/container.ts';
import { CliError, defineCommand } from '../command/command.ts';
import { naturalOrder } from '../format/order.ts';
import { hostPort } from '../format/units.ts';

export const command = defineCommand({
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  short: 'Show which ports of the host lead to a container',
  flags: {},
  args: { min: 1, max: 2 },
  complete: ['running', 'none'],
  async run({ cli, args: [name = '', wanted] }) {
    const { NetworkSettings } = await (await cli.client()).containers.inspect(name);
    const ports = NetworkSettings?.Ports ?? {};
    const address = (binding: PortBinding): string => hostPort(binding.HostIp ?? '', binding.HostPort ?? '');
    if (wanted === undefined) {
      const lines = Object.entries(ports).flatMap(([port, bindings]) => (bindings ?? []).map((binding) => ({ text: `${port} -> ${address(binding)}` })));
      lines.sort((a, b) => naturalOrder(a.text, b.text));
      if (lines.length > 0) cli.out.line(lines.map((line) => line.text).join('\n'));
      return;
    }
    const [port = '', proto = 'tcp'] = wanted.split('/');
    if (!/^\d+$/.test(port)) throw new CliError(`Error: invalid port (${port}): strconv.ParseUint: parsing ${JSON.stringify(port)}: invalid syntax`);
    if (Number(port) > 65535) throw new CliError(`Error: invalid port (${port}): strconv.ParseUint: parsing ${JSON.stringify(port)}: value out of range`);
    const bindings = ports[`${Number(port)}/${proto}`];
    if (!bindings || bindings.length === 0) throw new CliError(`Error: No public port '${wanted}' published for ${name}`);
    cli.out.line(bindings.map(address).sort(naturalOrder).join('\n'));
  },
});


