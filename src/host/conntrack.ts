/** The kernel's table of connections (ctnetlink), as far as published UDP ports need it. */
import { attribute, message, nested, parseAttributes } from './netlink-message.ts';
import type { NetlinkSocket } from './netlink.ts';
import { addressBytes } from './rtnetlink.ts';

const [CT_GET, CT_DELETE] = [(1 << 8) | 1, (1 << 8) | 2];
const FAMILIES = [[2, 4], [10, 16]] as const;
const IPPROTO_UDP = 17;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, ID: 12 } as const;

/** nfgenmsg: family, version, resource id. */
const header = (family: number): Buffer => Buffer.from([family, 0, 0, 0]);

/**
 * Forgets UDP flows to these ports of the host, or answered by these addresses. The kernel would send an old flow where
 * it went before, past every new rule, for as long as the client keeps talking. `socket` is a netfilter socket.
 */
export function forgetUdpFlows(socket: NetlinkSocket, hostPorts: readonly number[], addresses: readonly string[]): void {
  const known = addresses.map(addressBytes);
  // A look at one family's table takes milliseconds on a busy machine.
  for (const [family, size] of FAMILIES) if (known.some(({ length }) => length === size)) forgetFamily(socket, family, hostPorts, known.map((bytes) => bytes.toString('hex')));
}

function forgetFamily(socket: NetlinkSocket, family: number, hostPorts: readonly number[], addresses: readonly string[]): void {
  const doomed = socket
    .dump(message(CT_GET, 0, header(family)))
    .map(({ body }) => parseAttributes(body, 4))
    .filter((flow) => {
      const [original, reply] = [parseTuple(flow.get(CTA.TUPLE_ORIG)), parseTuple(flow.get(CTA.TUPLE_REPLY))];
      return original?.protocol === IPPROTO_UDP && (hostPorts.includes(original.targetPort) || (reply !== undefined && addresses.includes(reply.source)));
    });
  socket.execute(
    doomed.map((flow) => ({
      what: 'forget a UDP flow',
      message: message(CT_DELETE, 0, header(family), nested(CTA.TUPLE_ORIG, flow.get(CTA.TUPLE_ORIG) ?? Buffer.alloc(0)), attribute(CTA.ID, flow.get(CTA.ID) ?? Buffer.alloc(4))),
      tolerate: ['ENOENT'],
    })),
  );
}

/** The source in hexadecimal digits. */
function parseTuple(data: Buffer | undefined): { source: string; protocol: number; targetPort: number } | undefined {
  if (data === undefined) return undefined;
  const tuple = parseAttributes(data);
  const [address, protocol] = [tuple.get(1), tuple.get(2)].map((part) => (part === undefined ? undefined : parseAttributes(part)));
  return {
    source: (address?.get(1) ?? address?.get(3))?.toString('hex') ?? '',
    protocol: protocol?.get(1)?.readUInt8(0) ?? 0,
    targetPort: protocol?.get(3)?.readUInt16BE(0) ?? 0,
  };
}
