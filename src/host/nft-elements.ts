/**
 * Elements of nft sets and maps by netlink alone, a tenth of a millisecond however many rules the machine has: libnftables
 * reads all of them before each command. (linux/netfilter/nf_tables.h)
 */
import { attribute, message, nested, text, u32be } from './netlink-message.ts';
import type { NetlinkSocket, Request } from './netlink.ts';
import { addressBytes } from './rtnetlink.ts';

/** One component of a key or of a value; concatenations have several. */
export type ElementPart = { address: string } | { protocol: 'tcp' | 'udp' | 'sctp' } | { port: number } | { interface: string };

export interface ElementChange {
  change: 'add' | 'delete';
  /** Of the family inet. */
  table: string;
  /** Name of the set or map. */
  set: string;
  key: readonly ElementPart[];
  /** Of a map. */
  value?: readonly ElementPart[] | undefined;
  /** Closes an interval: the first address behind it. */
  ends?: boolean | undefined;
}

const NFPROTO_INET = 1;
const NFT_MSG = { add: (10 << 8) | 12, delete: (10 << 8) | 14 } as const;
const [BATCH_BEGIN, BATCH_END] = [0x10, 0x11];
const NLM_F_CREATE = 0x400;
const LIST = { TABLE: 1, SET: 2, ELEMENTS: 3 } as const;
const ELEM = { KEY: 1, DATA: 2, FLAGS: 3 } as const;
const DATA_VALUE = 1;
const LIST_ELEM = 1;
const INTERVAL_END = 1;
const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;

/** One transaction. Deleting what is not there is no error; a table or set that is not there is (ENOENT). */
export function changeElements(socket: NetlinkSocket, changes: readonly ElementChange[]): void {
  if (changes.length === 0) return;
  // An element is added before it is deleted, so that it is there to be deleted.
  const requests = changes.flatMap((change) => (change.change === 'add' ? [request(change, 'add')] : [request(change, 'add'), request(change, 'delete')]));
  socket.transact(batch(BATCH_BEGIN), requests, batch(BATCH_END));
}

/** nfgenmsg: family, version, resource id (the subsystem, in network order). */
const batch = (type: number): Buffer => message(type, 0, Buffer.from([0, 0, 0, 10]));

function request({ table, set, key, value, ends }: ElementChange, change: 'add' | 'delete'): Request {
  const parts = [
    nested(ELEM.KEY, attribute(DATA_VALUE, bytesOf(key))),
    ...(ends === true ? [u32be(ELEM.FLAGS, INTERVAL_END)] : []),
    ...(value === undefined || change === 'delete' ? [] : [nested(ELEM.DATA, attribute(DATA_VALUE, bytesOf(value)))]),
  ];
  return {
    what: `${change} an element of the firewall's ${set}`,
    message: message(
      NFT_MSG[change],
      change === 'add' ? NLM_F_CREATE : 0,
      Buffer.from([NFPROTO_INET, 0, 0, 0]),
      text(LIST.TABLE, table), text(LIST.SET, set),
      nested(LIST.ELEMENTS, nested(LIST_ELEM, ...parts)),
    ),
  };
}

/** Components of a concatenation begin at multiples of four bytes. */
function bytesOf(parts: readonly ElementPart[]): Buffer {
  if (parts.length === 1 && parts[0] !== undefined) return componentOf(parts[0]);
  return Buffer.concat(parts.map((part) => {
    const component = componentOf(part);
    return Buffer.concat([component, Buffer.alloc(-component.length & 3)]);
  }));
}

function componentOf(part: ElementPart): Buffer {
  if ('address' in part) return addressBytes(part.address);
  if ('protocol' in part) return Buffer.from([PROTOCOLS[part.protocol]]);
  if ('interface' in part) return Buffer.concat([Buffer.from(part.interface), Buffer.alloc(16)]).subarray(0, 16);
  const port = Buffer.alloc(2);
  port.writeUInt16BE(part.port);
  return port;
}
