import { invalid } from '#base/errors.ts';
import type { NamespaceChoice } from './input.ts';

const ipcNames = new Set([
  'kernel.msgmax', 'kernel.msgmnb', 'kernel.msgmni', 'kernel.sem', 'kernel.shmall', 'kernel.shmmax', 'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);

interface Sharing {
  network: NamespaceChoice['kind'];
  ipc: NamespaceChoice['kind'];
  uts: NamespaceChoice['kind'];
}

/**
 * Kernel settings for the container's own namespaces; the user's win. Throws invalid_argument for settings that would
 * change the host: those without a namespace, and those whose namespace the container shares with the host.
 */
export function containerSysctls(options: {
  asked: Readonly<Record<string, string>>;
  domainname: string;
  sharing: Sharing;
  inUserNamespace: boolean;
}): Record<string, string> {
  const { asked, sharing } = options;
  for (const name of Object.keys(asked)) checkSysctl(name, sharing);
  return {
    // A container may bind port 80 and ping without being root: its network is its own.
    ...(sharing.network === 'private' || sharing.network === 'join'
      ? { 'net.ipv4.ip_unprivileged_port_start': '0', ...(options.inUserNamespace ? {} : { 'net.ipv4.ping_group_range': '0 2147483647' }) }
      : {}),
    ...(options.domainname !== '' && sharing.uts === 'private' ? { 'kernel.domainname': options.domainname } : {}),
    ...asked,
  };
}

export function checkSysctl(name: string, sharing: Sharing): void {
  if (name === '') throw invalid('invalid sysctl: the name must not be empty');
  // "/" and "." both separate: net/ipv4.x would otherwise pass for another name.
  const dotted = name.replaceAll('/', '.');
  if (dotted.split('.').some((part) => part === '' )) throw invalid(`invalid sysctl "${name}"`);
  if (ipcNames.has(dotted) || dotted.startsWith('fs.mqueue.')) {
    if (sharing.ipc === 'host') throw invalid(`sysctl "${name}" is not allowed in the hosts ipc namespace`);
  } else if (dotted.startsWith('net.')) {
    if (sharing.network === 'host') throw invalid(`sysctl "${name}" not allowed in host network namespace`);
  } else if (dotted === 'kernel.domainname' && sharing.uts !== 'host') {
    return;
  } else if (dotted === 'kernel.hostname') {
    throw invalid(`sysctl "${name}" is not allowed as it conflicts with the OCI "hostname" field; use --hostname`);
  } else {
    throw invalid(`sysctl "${name}" is not in a separate kernel namespace`);
  }
}
