/** Settings below /proc/sys/net, of the network namespace that the thread is in. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';

/** `lenient` bears that the kernel has no such setting (IPv6 turned off). */
export function writeSysctl(path: string, value: string, lenient = false): void {
  try {
    writeFileSync(`/proc/sys/net/${path}`, value);
  } catch (error) {
    if (!lenient || !isErrno(error, 'ENOENT')) throw error;
  }
}

export function writeInterfaceSysctl(family: 'ipv4' | 'ipv6', name: string, key: string, value: string): void {
  writeSysctl(`${family}/conf/${name}/${key}`, value);
}

export function enableIpv4Forwarding(): void {
  writeSysctl('ipv4/ip_forward', '1');
}

/**
 * Turns on the routing of IPv6 for the whole machine. A machine that routes ignores router advertisements; where it got its
 * own routes from them, it is told to go on listening.
 */
export function enableIpv6Forwarding(): void {
  if (readFileSync('/proc/sys/net/ipv6/conf/all/forwarding', 'utf8').trim() === '1') return;
  for (const name of readdirSync('/proc/sys/net/ipv6/conf')) {
    const path = `ipv6/conf/${name}/accept_ra`;
    if (name !== 'all' && readFileSync(`/proc/sys/net/${path}`, 'utf8').trim() === '1') writeSysctl(path, '2', true);
  }
  writeSysctl('ipv6/conf/default/forwarding', '1');
  writeSysctl('ipv6/conf/all/forwarding', '1');
}
