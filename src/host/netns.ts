/**
 * Network namespaces and what is plugged into them. Synchronous and acting on the calling thread: for worker threads
 * (`network-kernel.ts` is the asynchronous face). Every operation is idempotent where it can be.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '#base/errors.ts';
import { CLONE, MNT, mount, MS, setns, umount, unshare } from './kernel.ts';
import { errnoError } from './libc.ts';
import { NetlinkSocket, type Request } from './netlink.ts';
import { addAddress, addBridge, addVeth, defaultRoute, findLink, setLink } from './rtnetlink.ts';

export interface BridgePlan {
  name: string;
  /** The host's own address on it: the containers' gateway. Undefined for a bridge without one. */
  address: string | undefined;
  prefix: number;
  mtu: number | undefined;
}

/** One interface of a container: a veth pair between a bridge on the host and the namespace. */
export interface InterfacePlan {
  /** Name of the host's end. */
  veth: string;
  bridge: string;
  /** Name inside, e.g. `eth0`. */
  name: string;
  mac: string;
  address: string;
  prefix: number;
  mtu: number | undefined;
  /** True keeps it from reaching other isolated ports of the bridge. */
  isolated: boolean;
}

export interface NamespacePlan {
  /** File on which the namespace is mounted; its folder is made. */
  path: string;
  interfaces: readonly InterfacePlan[];
  gateway: string | undefined;
}

/** The host's side of all operations: opened once in the host's network namespace. */
export class NamespaceRoom implements Disposable {
  readonly host = new NetlinkSocket();
  readonly #home = openSync('/proc/thread-self/ns/net', 'r');
  readonly #bridges = new Map<string, number>();

  /** Makes the bridge, gives it its address and brings it up. */
  ensureBridge({ name, address, prefix, mtu }: BridgePlan): void {
    const size = mtu === undefined ? {} : { mtu };
    this.host.execute([addBridge({ name, ...size }), setLink(name, { up: true, withoutLinkLocal: true, ...size })]);
    const index = this.#bridgeIndex(name);
    if (address !== undefined) this.host.execute([addAddress(index, address, prefix)]);
    // Lets the host reach published ports by 127.0.0.1; the firewall keeps containers from abusing it.
    writeFileSync(`/proc/sys/net/ipv4/conf/${name}/route_localnet`, '1');
  }

  enableForwarding(): void {
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  }

  /** The namespace whole: loopback up, interfaces plugged, route set. What was made stays when it throws: remove it. */
  make(plan: NamespacePlan): void {
    mkdirSync(dirname(plan.path), { recursive: true, mode: 0o700 });
    closeSync(openSync(plan.path, 'wx', 0o600));
    unshare(CLONE.NEWNET);
    let inner: NetlinkSocket | undefined;
    try {
      mount('/proc/thread-self/ns/net', plan.path, null, MS.BIND);
      inner = new NetlinkSocket();
      withoutInterfaceIpv6();
    } catch (error) {
      inner?.[Symbol.dispose]();
      throw error;
    } finally {
      setns(this.#home, CLONE.NEWNET);
    }
    using socket = inner;
    const namespace = openSync(plan.path, 'r');
    try {
      socket.execute([setLink(1, { up: true })]);
      plan.interfaces.forEach((item, position) => this.#plug(socket, namespace, item, position + 2));
      if (plan.gateway !== undefined) {
        const carrier = plan.interfaces.findIndex((item) => contains(item, plan.gateway ?? ''));
        socket.execute([defaultRoute(plan.gateway, carrier + 2)]);
      }
    } finally {
      closeSync(namespace);
    }
  }

  /** Adds an interface to a namespace in use. */
  plug(path: string, item: InterfacePlan, gateway: string | undefined): void {
    const namespace = openSync(path, 'r');
    try {
      using socket = this.#enter(namespace);
      const index = this.#plug(socket, namespace, item, 0);
      if (gateway !== undefined) socket.execute([defaultRoute(gateway, index)]);
    } finally {
      closeSync(namespace);
    }
  }

  /** Sets the default route of a namespace in use; `name` is the interface inside. */
  route(path: string, gateway: string, name: string): void {
    const namespace = openSync(path, 'r');
    try {
      using socket = this.#enter(namespace);
      const link = findLink(socket, name);
      if (link !== undefined) socket.execute([defaultRoute(gateway, link.index)]);
    } finally {
      closeSync(namespace);
    }
  }

  /** Unmounts and unlinks. The kernel ends the namespace and its links soon after, once no process is in it. */
  remove(path: string): void {
    try {
      umount(path, MNT.DETACH | MNT.NOFOLLOW);
    } catch (error) {
      if (!isErrno(error, 'EINVAL', 'ENOENT')) throw error;
    }
    rmSync(path, { force: true });
  }

  /** A netlink socket inside the namespace; the thread is home again when this returns. */
  #enter(namespace: number): NetlinkSocket {
    setns(namespace, CLONE.NEWNET);
    try {
      return new NetlinkSocket();
    } finally {
      setns(this.#home, CLONE.NEWNET);
    }
  }

  #plug(inner: NetlinkSocket, namespace: number, item: InterfacePlan, wantedIndex: number): number {
    const size = item.mtu === undefined ? {} : { mtu: item.mtu };
    const make: Request[] = [
      addVeth(
        { name: item.veth, master: this.#bridgeIndex(item.bridge), ...size },
        { name: item.name, index: wantedIndex, namespace, mac: item.mac, ...size },
      ),
      setLink(item.veth, { up: true, withoutLinkLocal: true, port: { hairpin: true, isolated: item.isolated } }),
    ];
    try {
      this.host.execute(make);
    } catch (error) {
      // A bridge made anew by others has another number.
      this.#bridges.delete(item.bridge);
      throw error;
    }
    const index = wantedIndex === 0 ? (findLink(inner, item.name)?.index ?? 0) : wantedIndex;
    inner.execute([addAddress(index, item.address, item.prefix), setLink(index, { up: true })]);
    return index;
  }

  #bridgeIndex(name: string): number {
    const known = this.#bridges.get(name);
    if (known !== undefined) return known;
    const link = findLink(this.host, name);
    if (link === undefined) throw errnoError(19, 'find the bridge', name);
    this.#bridges.set(name, link.index);
    return link.index;
  }

  /** Called when bridges were removed: numbers are never reused blindly. */
  forgetBridges(): void {
    this.#bridges.clear();
  }

  [Symbol.dispose](): void {
    this.host[Symbol.dispose]();
    closeSync(this.#home);
  }
}

/** Interfaces that come into this thread's namespace stay without IPv6; loopback keeps ::1. */
function withoutInterfaceIpv6(): void {
  try {
    writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

function contains(item: InterfacePlan, gateway: string): boolean {
  const number = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - item.prefix);
  return Math.floor(number(item.address) / size) === Math.floor(number(gateway) / size);
}
