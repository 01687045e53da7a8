import { isIP } from 'node:net';
import { invalid } from '#base/errors.ts';
import type { Of } from '../instructions/instruction.ts';
import { goList } from './go-format.ts';
import type { Step } from './step.ts';

const MOST = 65_536;
/** A port is more work than its few characters. */
const COST = 100;

/** EXPOSE: ports and ranges with a protocol; an address or a host port before them is of no effect and earns a warning. */
export function compileExpose(step: Step<Of<'expose'>>): void {
  const { lint } = step.compilation;
  const written = step.command.ports.flatMap((port) => step.words(port));
  const ports = written.flatMap((port) => {
    const [, protocol] = port.split('/', 2);
    if (protocol !== undefined && protocol !== protocol.toLowerCase()) lint.report('ExposeProtoCasing', step.range, port);
    if (port.includes(':')) lint.report('ExposeInvalidFormat', step.range, port);
    return readPorts(port);
  });
  step.compilation.budget.spend(ports.length * COST);
  if (ports.length > MOST) throw invalid(`EXPOSE names ${ports.length} ports, more than there are`);
  const exposed = (step.state.config.config.ExposedPorts ??= {});
  for (const port of ports) exposed[port] = {};
  step.commit(`EXPOSE ${goList(ports)}`);
}

/** `[ip:][host:]port[-port][/protocol]` as `port/protocol`. */
function readPorts(text: string): string[] {
  const parts = text.split(':');
  const container = parts.at(-1) ?? '';
  const host = parts.length > 1 ? (parts.at(-2) ?? '') : '';
  const ip = parts.slice(0, -2).join(':').replace(/^\[(.*)\]$/, '$1');
  const slash = container.indexOf('/');
  const port = slash < 0 ? container : container.slice(0, slash);
  const protocol = slash < 0 ? '' : container.slice(slash + 1).toLowerCase();
  if (port === '') throw invalid(`no port specified: ${container}<empty>`);
  if (!['', 'tcp', 'udp', 'sctp'].includes(protocol)) throw invalid(`invalid proto: ${protocol}`);
  if (ip !== '' && isIP(ip) === 0) throw invalid(`invalid IP address: ${ip}`);
  const range = readRange(port);
  if (range === undefined) throw invalid(`invalid containerPort: ${port}`);
  if (host !== '') {
    const hostRange = readRange(host);
    if (hostRange === undefined) throw invalid(`invalid hostPort: ${host}`);
    const length = range.end - range.start;
    if (length !== 0 && length !== hostRange.end - hostRange.start) throw invalid(`invalid ranges specified for container and host Ports: ${port} and ${host}`);
  }
  return Array.from({ length: range.end - range.start + 1 }, (_, index) => `${range.start + index}/${protocol === '' ? 'tcp' : protocol}`);
}

function readRange(text: string): { start: number; end: number } | undefined {
  const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(text);
  const start = Number(match?.[1] ?? -1);
  const end = Number(match?.[2] ?? start);
  return start < 0 || end < start || end > 65_535 ? undefined : { start, end };
}
