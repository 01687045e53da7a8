import { readFileSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import { AF, bindSocket, inetAddress, listen, setSocketOption, SOCK, socket } from '#host/kernel-socket.ts';
import { close } from '#host/kernel.ts';
import type { HoldPort } from './port-table.ts';

const IPPROTO_SCTP = 132;
const [SOL_SOCKET, SO_REUSEADDR] = [1, 2];

/** Binds (and for streams listens on) the port, some 20 microseconds. Nothing ever accepts: the firewall is faster. */
export const holdPort: HoldPort = ({ protocol, hostAddress, hostPort }) => {
  let fd: number;
  try {
    fd = socket(AF.INET, protocol === 'udp' ? SOCK.DGRAM : SOCK.STREAM, protocol === 'sctp' ? IPPROTO_SCTP : 0);
  } catch (error) {
    // A kernel without SCTP sockets has no program that could take the port; and a container with thousands of ports is
    // worth more than the warning that each held socket is to other programs.
    const bearable = isErrno(error, 'EMFILE', 'ENFILE') || (protocol === 'sctp' && isErrno(error, 'EPROTONOSUPPORT', 'ESOCKTNOSUPPORT'));
    if (bearable) return { [Symbol.dispose]: () => {} };
    throw error;
  }
  try {
    if (protocol !== 'udp') setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    bindSocket(fd, inetAddress(hostAddress, hostPort));
    if (protocol !== 'udp') listen(fd, 1);
  } catch (error) {
    close(fd);
    throw error;
  }
  return { [Symbol.dispose]: () => close(fd) };
};

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
