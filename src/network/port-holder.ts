import { readFileSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import { AF, bindSocket, inetAddress, listen, setSocketOption, SOCK, socket } from '#host/kernel-socket.ts';
import { close } from '#host/kernel.ts';
import { forwardStreams, forwardDatagrams, type ForwardTarget } from './port-forwarder.ts';
import { familyOf } from './port-request.ts';
import type { HoldPort } from './port-table.ts';
import type { PortRecord } from './record.ts';

const [IPPROTO_IPV6, IPPROTO_SCTP] = [41, 132];
const [SOL_SOCKET, SO_REUSEADDR, IPV6_V6ONLY] = [1, 2, 26];

/**
 * Binds (and for streams listens on) the port, some 20 microseconds. On IPv4 nothing ever accepts: the firewall is faster.
 * On IPv6 what the firewall cannot translate arrives (to ::1, or for a container without IPv6) and is forwarded. Without a
 * firewall `everything` is.
 */
export function portHolder(targetOf: (port: PortRecord) => ForwardTarget | undefined, { everything }: { everything: boolean }): HoldPort {
  return (port) => {
    const forwards = everything || familyOf(port.hostAddress) === 6;
    const fd = bindPort(port, forwards);
    if (fd === undefined) return { [Symbol.dispose]: () => {} };
    const target = (): ForwardTarget | undefined => targetOf(port);
    if (forwards && port.protocol === 'tcp') return forwardStreams(fd, target);
    if (forwards && port.protocol === 'udp') return forwardDatagrams(fd, target, familyOf(port.hostAddress) === 6 ? 'udp6' : 'udp4');
    return { [Symbol.dispose]: () => close(fd) };
  };
}

function bindPort({ protocol, hostAddress, hostPort }: PortRecord, accepts: boolean): number | undefined {
  const six = familyOf(hostAddress) === 6;
  let fd: number;
  try {
    fd = socket(six ? AF.INET6 : AF.INET, (protocol === 'udp' ? SOCK.DGRAM : SOCK.STREAM) | (accepts ? SOCK.NONBLOCK : 0), protocol === 'sctp' ? IPPROTO_SCTP : 0);
  } catch (error) {
    // A kernel without SCTP sockets has no program that could take the port; and a container with thousands of ports is
    // worth more than the warning that each held socket is to other programs.
    const bearable = isErrno(error, 'EMFILE', 'ENFILE') || (protocol === 'sctp' && isErrno(error, 'EPROTONOSUPPORT', 'ESOCKTNOSUPPORT'));
    if (bearable) return undefined;
    throw error;
  }
  try {
    if (protocol !== 'udp') setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (six) setSocketOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    bindSocket(fd, inetAddress(hostAddress, hostPort));
    if (protocol !== 'udp') listen(fd, accepts ? 511 : 1);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/** The host's range for ports nobody asked for by number. */
export function ephemeralPorts(): { first: number; last: number } {
  try {
    const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
    if (first !== undefined && last !== undefined && first > 0 && last >= first) return { first, last };
  } catch {
    // No such file in a restricted /proc: Docker's own range stands in.
  }
  return { first: 49153, last: 65535 };
}

/** Whether the host itself speaks IPv6 at all. */
export function hostHasIpv6(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv6/conf/lo/disable_ipv6', 'utf8').trim() === '0';
  } catch {
    return false;
  }
}
