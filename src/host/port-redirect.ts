/**
 * Rewrites ports of one local address in the network namespace of the calling thread, by nf_tables spoken directly: a
 * process that does nothing else with rules needs no libnftables for it. No connection is tracked for it: a container's
 * packets to the address get another target port on their way out, the answers their old source port on their way in.
 */
import { EngineError } from '#base/errors.ts';
import { close } from './kernel.ts';
import { AF, bindSocket, MSG, recv, send, SOCK, socket } from './kernel-socket.ts';
import { getSystemErrorName } from 'node:util';
import { attribute, message, nested, NLM_F, NLMSG, parseMessages, text } from './netlink-message.ts';

const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_NFTABLES = 10;
const BATCH = { BEGIN: 16, END: 17 } as const;
const NFT = { NEWTABLE: 0, DELTABLE: 2, NEWCHAIN: 3, NEWRULE: 6 } as const;
const HOOK = { LOCAL_IN: 1, LOCAL_OUT: 3 } as const;
const PROTOCOLS = [
  { number: 17, checksumOffset: 6 },
  { number: 6, checksumOffset: 16 },
] as const;

export interface PortRedirect {
  table: string;
  /** IPv4. */
  address: string;
  /** What programs ask, by UDP and TCP. */
  port: number;
  /** Where it is answered. */
  udp: number;
  tcp: number;
}

/**
 * `replace` takes away what a table of this name said before; the namespace must know none otherwise. Returns what holds a
 * descriptor that must be closed some time later: right after a replacement the kernel would make its closing wait 15 ms.
 */
export function redirectPort({ table, address, port, udp, tcp }: PortRedirect, replace: boolean): Disposable {
  const target = { 17: udp, 6: tcp };
  const host = Buffer.from(address.split('.').map(Number));
  const rules = PROTOCOLS.flatMap(({ number, checksumOffset }) => [
    // Before the kernel would track it, and after: both sides of a connection look whole to rules of the container's own.
    rule(table, 'out', [...field(1, 16, host), ...protocol(number), ...field(2, 2, port16(port)), ...rewrite(2, target[number], checksumOffset)]),
    rule(table, 'in', [...field(1, 12, host), ...protocol(number), ...field(2, 0, port16(target[number])), ...rewrite(0, port, checksumOffset)]),
  ]);
  return transact([
    ...(replace ? [command(NFT.NEWTABLE, NLM_F.CREATE, text(1, table)), command(NFT.DELTABLE, 0, text(1, table))] : []),
    command(NFT.NEWTABLE, NLM_F.CREATE, text(1, table)),
    chain(table, 'out', HOOK.LOCAL_OUT, -300),
    chain(table, 'in', HOOK.LOCAL_IN, -200),
    ...rules,
  ]);
}

/** All or nothing; the kernel has done it when `send` returns, and then has only failures to tell. */
function transact(commands: readonly Buffer[]): Disposable {
  const fd = socket(AF.NETLINK, SOCK.RAW, NETLINK_NETFILTER);
  const held: Disposable = { [Symbol.dispose]: () => close(fd) };
  try {
    const own = Buffer.alloc(12);
    own.writeUInt16LE(AF.NETLINK, 0);
    bindSocket(fd, own);
    const mark = Buffer.from([0, 0, 0, NFNL_SUBSYS_NFTABLES]);
    send(fd, Buffer.concat([message(BATCH.BEGIN, 0, mark), ...commands, message(BATCH.END, 0, mark)]));
    const answer = Buffer.alloc(16384);
    const length = recv(fd, answer, MSG.DONTWAIT);
    for (const { type, body } of parseMessages(answer.subarray(0, Math.max(0, length)))) {
      const errno = type === NLMSG.ERROR ? -body.readInt32LE(0) : 0;
      if (errno !== 0) throw new EngineError('internal', `the kernel refused the redirection of ports: ${getSystemErrorName(-errno)}`);
    }
    return held;
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

const u32 = (type: number, value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return attribute(type, bytes);
};

const port16 = (port: number): Buffer => Buffer.from([port >> 8, port & 255]);

function command(type: number, flags: number, ...attributes: Buffer[]): Buffer {
  return message((NFNL_SUBSYS_NFTABLES << 8) | type, flags, Buffer.from([AF.INET, 0, 0, 0]), ...attributes);
}

function chain(table: string, name: string, hook: number, priority: number): Buffer {
  return command(NFT.NEWCHAIN, NLM_F.CREATE, text(1, table), text(3, name), nested(4, u32(1, hook), u32(2, priority)), text(7, 'filter'));
}

function rule(table: string, name: string, expressions: readonly Buffer[]): Buffer {
  return command(NFT.NEWRULE, NLM_F.CREATE | NLM_F.APPEND, text(1, table), text(2, name), nested(4, ...expressions));
}

const expression = (name: string, ...attributes: Buffer[]): Buffer => nested(1, text(1, name), nested(2, ...attributes));
const equals = (value: Buffer): Buffer => expression('cmp', u32(1, 1), u32(2, 0), nested(3, attribute(1, value)));

/** Network header (1) or transport header (2) at `offset` holds `value`. */
const field = (base: number, offset: number, value: Buffer): Buffer[] => [
  expression('payload', u32(1, 1), u32(2, base), u32(3, offset), u32(4, value.length)),
  equals(value),
];

const L4PROTO = 16;
const protocol = (number: number): Buffer[] => [expression('meta', u32(2, L4PROTO), u32(1, 1)), equals(Buffer.from([number]))];

/** Sets the port at `offset` of the transport header and mends its checksum. */
const rewrite = (offset: number, port: number, checksumOffset: number): Buffer[] => [
  expression('immediate', u32(1, 1), nested(2, attribute(1, port16(port)))),
  expression('payload', u32(5, 1), u32(2, 2), u32(3, offset), u32(4, 2), u32(6, 1), u32(7, checksumOffset), u32(8, 0)),
];
