/** What others do to the machine's network, told by the kernel as it happens: firewall rules changed, interfaces gone. */
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { descriptorStream } from './descriptor-stream.ts';
import { AF, bindSocket, SOCK, socket } from './kernel-socket.ts';
import { close } from './kernel.ts';
import { attributeText, parseAttributes, parseMessages, type ReceivedMessage } from './netlink-message.ts';

const [NETLINK_ROUTE, NETLINK_NETFILTER] = [0, 12];
const [RTMGRP_LINK, NFTABLES_GROUP] = [1, 1 << 6];
const RTM_DELLINK = 17;
const IFLA_IFNAME = 3;
const NFT_MSG_NEWGEN = (10 << 8) | 15;
const NFTA_GEN_PROC_PID = 2;

export interface NetworkWatchOptions {
  /** Another process changed firewall rules, or so many changed that some of the news were lost. */
  onRules: () => void;
  /** An interface of the host ended, whoever ended it; undefined when news were lost: it may have been any. */
  onLinkGone: (name: string | undefined) => void;
}

/** Watches until disposed; does not keep the process alive. Where the kernel does not tell, nothing is told. */
export function watchNetwork({ onRules, onLinkGone }: NetworkWatchOptions): Disposable {
  const rules = listen(NETLINK_NETFILTER, NFTABLES_GROUP, onRules, (message) => {
    if (message.type === NFT_MSG_NEWGEN && !isOurs(message)) onRules();
  });
  const links = listen(NETLINK_ROUTE, RTMGRP_LINK, () => onLinkGone(undefined), (message) => {
    const name = message.type === RTM_DELLINK ? attributeText(parseAttributes(message.body, 16).get(IFLA_IFNAME)) : undefined;
    if (name !== undefined) onLinkGone(name);
  });
  return {
    [Symbol.dispose]() {
      rules[Symbol.dispose]();
      links[Symbol.dispose]();
    },
  };
}

/** The kernel names the thread that changed the rules. */
function isOurs({ body }: ReceivedMessage): boolean {
  const thread = parseAttributes(body, 4).get(NFTA_GEN_PROC_PID)?.readUInt32BE(0);
  return thread !== undefined && existsSync(`/proc/self/task/${thread}`);
}

function listen(protocol: number, groups: number, onLost: () => void, onMessage: (message: ReceivedMessage) => void): Disposable {
  let stream: Socket | undefined;
  let disposed = false;
  const open = (): void => {
    const fd = socket(AF.NETLINK, SOCK.RAW | SOCK.NONBLOCK, protocol);
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF.NETLINK, 0);
    address.writeUInt32LE(groups, 8);
    try {
      bindSocket(fd, address);
    } catch (error) {
      close(fd);
      throw error;
    }
    stream = descriptorStream(fd);
    stream.unref();
    stream.on('data', (data: Buffer) => {
      for (const message of parseMessages(data)) onMessage(message);
    });
    // ENOBUFS: more news than the socket holds.
    stream.on('error', () => {});
    stream.on('close', () => {
      if (disposed) return;
      open();
      onLost();
    });
  };
  open();
  return {
    [Symbol.dispose]() {
      disposed = true;
      stream?.destroy();
    },
  };
}
