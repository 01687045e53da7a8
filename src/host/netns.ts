/**
 * Network namespaces and what is plugged into them. Synchronous and acting on the calling thread: for worker threads
 * (`network-kernel.ts` is the asynchronous face). Every operation is idempotent where it can be.
 */
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '#base/errors.ts';
import { CLONE, MNT, mount, MS, setns, umount, unshare } from './kernel.ts';
import { errnoError } from './libc.ts';
import { NetlinkSocket, type Request } from './netlink.ts';
import { writeInterfaceSysctl, writeSysctl } from './network-sysctl.ts';
import { addAddress, addChild, addRoute, addVeth, deleteLink, findLink, setLink, type ChildKind } from './rtnetlink.ts';

export interface AddressPlan {
  address: string;
  prefix: number;
}

/** Where a container's interface comes from. */
export type InterfaceSource =
  /** A pair: `host` stays outside as a port of the bridge. Isolated ports do not reach other isolated ones. */
  | { kind: 'veth'; host: string; bridge: string; isolated: boolean }
  /** Made on top of an interface of the host. */
  | ({ kind: 'child'; parent: string } & ChildKind)
  /** Somebody else made it; it moves in, and back out under its name. */
  | { kind: 'existing'; link: string };

/** One interface of a container. */
export interface InterfacePlan {
  source: InterfaceSource;
  /** Name inside, e.g. `eth0`. */
  name: string;
  /** Undefined leaves the kernel's choice (ipvlan has its parent's). */
  mac: string | undefined;
  addresses: readonly AddressPlan[];
  mtu: number | undefined;
  /** False keeps the interface without any IPv6. */
  ipv6: boolean;
  /** Below /proc/sys/net of the container, e.g. `ipv4/conf/eth0/log_martians`. */
  sysctls: readonly { path: string; value: string }[];
}

export interface RoutePlan {
  /** `0.0.0.0/0` and `::/0` for the default routes. */
  destination: string;
  /** Undefined: on the interface itself. */
  gateway: string | undefined;
  /** Interface inside. */
  name: string;
}

export interface NamespacePlan {
  /** File on which the namespace is mounted; its folder is made. */
  path: string;
  interfaces: readonly InterfacePlan[];
  routes: readonly RoutePlan[];
}

/** The host's side of all operations: opened once in the host's network namespace. */
export class NamespaceRoom implements Disposable {
  readonly host = new NetlinkSocket();
  readonly #home = openSync('/proc/thread-self/ns/net', 'r');
  readonly #indexes = new Map<string, number>();

  /** The namespace whole: loopback up, interfaces plugged, routes set. What was made stays when it throws: remove it. */
  make(plan: NamespacePlan): void {
    mkdirSync(dirname(plan.path), { recursive: true, mode: 0o700 });
    closeSync(openSync(plan.path, 'wx', 0o600));
    unshare(CLONE.NEWNET);
    let inner: NetlinkSocket | undefined;
    try {
      mount('/proc/thread-self/ns/net', plan.path, null, MS.BIND);
      inner = new NetlinkSocket();
      // Interfaces that come in stay without IPv6 unless their plan says otherwise; loopback keeps ::1.
      writeSysctl('ipv6/conf/default/disable_ipv6', '1', true);
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
      const indexes = new Map(plan.interfaces.map((item, position) => [item.name, this.#plug(socket, namespace, item, position + 2)]));
      setRoutes(socket, plan.routes, (name) => indexes.get(name));
    } finally {
      closeSync(namespace);
    }
  }

  /** Adds an interface to a namespace in use, then sets the routes. */
  plug(path: string, item: InterfacePlan, routes: readonly RoutePlan[]): void {
    this.#inside(path, (socket, namespace) => {
      const index = this.#plug(socket, namespace, item, 0);
      setRoutes(socket, routes, (name) => (name === item.name ? index : findLink(socket, name)?.index));
    });
  }

  /** Sets routes of a namespace in use. */
  route(path: string, routes: readonly RoutePlan[]): void {
    this.#inside(path, (socket) => setRoutes(socket, routes, (name) => findLink(socket, name)?.index));
  }

  /** Takes an interface out of a namespace in use: what was somebody else's goes back to the host, the rest ends. */
  unplug(path: string, source: InterfaceSource, name: string): void {
    if (source.kind === 'veth') this.host.execute([deleteLink(source.host)]);
    else {
      this.#inside(path, (socket) => {
        if (findLink(socket, name) === undefined) return;
        if (source.kind === 'child') socket.execute([deleteLink(name)]);
        else socket.execute([setLink(name, { up: false }), setLink(findLink(socket, name)?.index ?? 0, { name: source.link, namespace: this.#home })]);
      });
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

  /** The number of an interface of the host; ENODEV when there is none. */
  indexOf(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    const link = findLink(this.host, name);
    if (link === undefined) throw errnoError(19, 'find the interface', name);
    this.#indexes.set(name, link.index);
    return link.index;
  }

  /** Called when interfaces were removed: numbers are never reused blindly. */
  forgetIndexes(): void {
    this.#indexes.clear();
  }

  #inside(path: string, task: (socket: NetlinkSocket, namespace: number) => void): void {
    const namespace = openSync(path, 'r');
    try {
      using socket = this.#within(namespace, () => new NetlinkSocket());
      task(socket, namespace);
    } finally {
      closeSync(namespace);
    }
  }

  /** Runs in the namespace; the thread is home again when this returns. */
  #within<T>(namespace: number, task: () => T): T {
    setns(namespace, CLONE.NEWNET);
    try {
      return task();
    } finally {
      setns(this.#home, CLONE.NEWNET);
    }
  }

  #plug(inner: NetlinkSocket, namespace: number, item: InterfacePlan, wantedIndex: number): number {
    const make = (): number => this.#bringIn(inner, namespace, item, wantedIndex);
    let index: number;
    try {
      index = make();
    } catch (error) {
      // An interface that others made anew has another number.
      if (!isErrno(error, 'ENODEV', 'EINVAL')) throw error;
      this.forgetIndexes();
      index = make();
    }
    if (item.ipv6 || item.sysctls.length > 0) this.#within(namespace, () => configure(item));
    inner.execute([setLink(index, { up: true }), ...item.addresses.map(({ address, prefix }) => addAddress(index, address, prefix))]);
    return index;
  }

  #bringIn(inner: NetlinkSocket, namespace: number, { source, name, mac, mtu }: InterfacePlan, wantedIndex: number): number {
    const settings = { ...(mtu === undefined ? {} : { mtu }), ...(mac === undefined ? {} : { mac }) };
    if (source.kind === 'veth') {
      const size = mtu === undefined ? {} : { mtu };
      const requests: Request[] = [
        addVeth({ name: source.host, master: this.indexOf(source.bridge), ...size }, { name, index: wantedIndex, namespace, ...settings }),
        setLink(source.host, { up: true, withoutLinkLocal: true, port: { hairpin: true, isolated: source.isolated } }),
      ];
      this.host.execute(requests);
      if (wantedIndex !== 0) return wantedIndex;
    } else if (source.kind === 'child') {
      this.host.execute([addChild({ name, namespace, ...settings }, this.indexOf(source.parent), source)]);
    } else {
      this.host.execute([setLink(source.link, { up: false }), setLink(this.indexOf(source.link), { name, namespace })]);
      this.forgetIndexes();
      if (mac !== undefined || mtu !== undefined) inner.execute([setLink(name, settings)]);
    }
    const link = findLink(inner, name);
    if (link === undefined) throw errnoError(19, 'find the new interface', name);
    return link.index;
  }

  [Symbol.dispose](): void {
    this.host[Symbol.dispose]();
    closeSync(this.#home);
  }
}

/** In the container's namespace, before the interface is up. */
function configure({ name, ipv6, sysctls }: InterfacePlan): void {
  if (ipv6) {
    writeInterfaceSysctl('ipv6', name, 'disable_ipv6', '0');
    // Addresses and routes are the engine's to give, and nobody else's to advertise.
    writeInterfaceSysctl('ipv6', name, 'accept_ra', '0');
    writeInterfaceSysctl('ipv6', name, 'accept_dad', '0');
  }
  for (const { path, value } of sysctls) writeSysctl(path, value);
}

function setRoutes(socket: NetlinkSocket, routes: readonly RoutePlan[], indexOf: (name: string) => number | undefined): void {
  socket.execute(
    routes.flatMap(({ destination, gateway, name }) => {
      const index = indexOf(name);
      return index === undefined ? [] : [addRoute(destination, gateway, index)];
    }),
  );
}
