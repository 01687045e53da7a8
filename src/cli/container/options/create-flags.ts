import { isIP } from 'node:net';
import * as flag from '../../command/flag.ts';
import type { DeviceRequest, Mount, ThrottleDevice } from '#spec/wire/container.ts';
import { cutPair } from './csv.ts';
import { parseGpus, parseThrottle, parseUlimit, parseWeight, type Ulimit } from './devices.ts';
import { environmentItem, labelItem } from './environment.ts';
import { parseMount } from './mounts.ts';
import { parseNetwork, type NetworkOption } from './networks.ts';

const append = <T>(word: string, help: string, parse: (value: string) => T, options: flag.FlagOptions<readonly T[]> = {}): flag.Flag<readonly T[]> =>
  flag.custom<readonly T[]>(word, help, [], (value, before) => [...before, parse(value)], options);

const sysctls = ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'].map((name) => `kernel.${name}`);

function sysctlItem(item: string): string {
  const [key, value] = cutPair(item);
  const known = sysctls.includes(key) || key.startsWith('net.') || key.startsWith('fs.mqueue.');
  if (value === undefined || !known) throw new Error(`sysctl '${item}' is not allowed`);
  return item;
}

function hostItem(item: string): string {
  const [key, value] = item.includes('=') ? cutPair(item) : cutPair(item, ':');
  if (value === undefined || key === '') throw new Error(`bad format for add-host: ${JSON.stringify(item)}`);
  const address = value.startsWith('[') && value.endsWith(']') ? value.slice(1, -1) : value;
  if (value !== 'host-gateway' && isIP(address) === 0) throw new Error(`invalid IP address in add-host: ${JSON.stringify(value)}`);
  return `${key}:${address}`;
}

function addressItem(item: string): string {
  if (isIP(item.trim()) === 0) throw new Error(`IP address is not correctly formatted: ${item}`);
  return item.trim();
}

function dnsSearchItem(item: string): string {
  const domain = item.trim();
  if (domain === '.') return domain;
  if (!/^(?=.{1,255}$)([\w-]{1,63}\.)*[\w-]{1,63}\.?$/.test(domain) || /^[\d.]+$/.test(domain)) throw new Error(`${domain} is not a valid domain`);
  return domain;
}

function attachItem(item: string): string {
  const stream = item.toLowerCase();
  if (!['stdin', 'stdout', 'stderr'].includes(stream)) throw new Error('valid streams are STDIN, STDOUT and STDERR');
  return stream;
}

function linkItem(item: string): string {
  const parts = item.split(':');
  if (item === '') throw new Error('empty string specified for links');
  if (parts.length > 2) throw new Error(`bad format for links: ${item}`);
  return item;
}

function deviceRule(item: string): string {
  if (!/^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/.test(item)) throw new Error(`invalid device cgroup format '${item}'`);
  return item;
}

/** Flags of `create` and `run` that describe the container. */
export const createFlags = {
  'add-host': flag.list('Add a line to /etc/hosts (HOST:IP or HOST=IP; host-gateway stands for the host)', { check: hostItem }),
  annotation: flag.map('Pass an annotation on to the runtime'),
  attach: flag.list('Attach to STDIN, STDOUT or STDERR', { short: 'a', check: attachItem, complete: ['stdin', 'stdout', 'stderr'] }),
  'blkio-weight': flag.uint('Relative weight of block I/O, 10 to 1000, 0 for the default', 16),
  'blkio-weight-device': append('list', 'Relative weight of block I/O for one device (DEVICE:WEIGHT)', parseWeight),
  'cap-add': flag.list('Grant a Linux capability'),
  'cap-drop': flag.list('Take away a Linux capability'),
  'cgroup-parent': flag.text('Put the container under this cgroup'),
  cgroupns: flag.text('Cgroup namespace: host or private', { complete: ['host', 'private'] }),
  cidfile: flag.text('Write the id of the container to this file', { complete: 'file' }),
  'cpu-count': flag.int('Number of CPUs (Windows only)', { hidden: true }),
  'cpu-percent': flag.int('Share of the CPU (Windows only)', { hidden: true }),
  'cpu-period': flag.int('Length of a scheduler period in microseconds'),
  'cpu-quota': flag.int('CPU time allowed in each period, in microseconds'),
  'cpu-rt-period': flag.int('Length of a real-time period in microseconds'),
  'cpu-rt-runtime': flag.int('Real-time CPU time in each period, in microseconds'),
  'cpu-shares': flag.int('Relative weight of CPU time', { short: 'c' }),
  cpus: flag.cpus('How many CPUs may be used, for example 1.5'),
  'cpuset-cpus': flag.text('CPUs that may be used (0-3 or 0,1)'),
  'cpuset-mems': flag.text('Memory nodes that may be used (0-3 or 0,1)'),
  device: flag.list('Give a device of the host to the container (HOST[:CONTAINER][:rwm])', { complete: 'file' }),
  'device-cgroup-rule': flag.list('Allow devices by rule, for example "c 42:* rwm"', { check: deviceRule }),
  'device-read-bps': append<ThrottleDevice>('list', 'Limit the bytes read from a device in a second (DEVICE:RATE)', (item) => parseThrottle(item, 'bytes')),
  'device-read-iops': append<ThrottleDevice>('list', 'Limit the reads from a device in a second (DEVICE:RATE)', (item) => parseThrottle(item, 'count')),
  'device-write-bps': append<ThrottleDevice>('list', 'Limit the bytes written to a device in a second (DEVICE:RATE)', (item) => parseThrottle(item, 'bytes')),
  'device-write-iops': append<ThrottleDevice>('list', 'Limit the writes to a device in a second (DEVICE:RATE)', (item) => parseThrottle(item, 'count')),
  'disable-content-trust': flag.bool('Do not verify the signature of the image', { default: true }),
  dns: flag.list('Use this DNS server', { check: addressItem }),
  'dns-opt': flag.list('Set a resolver option', { hidden: true }),
  'dns-option': flag.list('Set a resolver option'),
  'dns-search': flag.list('Search this domain for short names', { check: dnsSearchItem }),
  domainname: flag.text('NIS domain name'),
  entrypoint: flag.text('Run this instead of the ENTRYPOINT of the image'),
  env: flag.list('Set an environment variable (KEY=VALUE, or KEY to pass ours on)', { short: 'e', check: environmentItem }),
  'env-file': flag.list('Read environment variables from a file', { complete: 'file' }),
  expose: flag.list('Declare a port or a range of ports'),
  gpus: append<DeviceRequest>('gpu-request', 'Give GPUs to the container (all, a number, or device=...)', parseGpus),
  'group-add': flag.list('Add a group to the process'),
  'health-cmd': flag.text('Command that checks the health'),
  'health-interval': flag.duration('Time between two checks'),
  'health-retries': flag.int('Failures in a row that make the container unhealthy'),
  'health-start-interval': flag.duration('Time between two checks while the container starts'),
  'health-start-period': flag.duration('Time to start before failures count'),
  'health-timeout': flag.duration('Longest time that one check may take'),
  hostname: flag.text('Host name inside the container', { short: 'h' }),
  init: flag.bool('Run a small init as process 1 that forwards signals and reaps processes'),
  interactive: flag.bool('Keep the standard input open', { short: 'i' }),
  'io-maxbandwidth': flag.bytes('Bandwidth of the system drive (Windows only)', { hidden: true }),
  'io-maxiops': flag.uint('Operations of the system drive (Windows only)', 64, { hidden: true }),
  ip: flag.text('IPv4 address in the network'),
  ip6: flag.text('IPv6 address in the network'),
  ipc: flag.text('IPC namespace: none, private, shareable, host or container:NAME'),
  isolation: flag.text('Isolation technology (Windows only)'),
  'kernel-memory': flag.bytes('Limit of kernel memory (no longer honoured by kernels)'),
  label: flag.list('Label the container (KEY=VALUE)', { short: 'l', check: labelItem }),
  'label-file': flag.list('Read labels from a file', { complete: 'file' }),
  link: flag.list('Make another container known by name (CONTAINER[:ALIAS])', { check: linkItem, complete: 'container' }),
  'link-local-ip': flag.list('Link-local address of the container'),
  'log-driver': flag.text('How output is logged', { complete: ['json-file', 'local', 'none', 'journald', 'syslog'] }),
  'log-opt': flag.list('Set an option of the log driver (KEY=VALUE)'),
  'mac-address': flag.text('MAC address in the network'),
  memory: flag.bytes('Limit of memory, for example 512m', { short: 'm' }),
  'memory-reservation': flag.bytes('Memory that is kept when the host runs short'),
  'memory-swap': flag.bytes('Limit of memory and swap together; -1 for no limit', { allowMinusOne: true }),
  'memory-swappiness': flag.int('How readily memory is swapped out (0 to 100)', { default: -1 }),
  mount: append<Mount>('mount', 'Mount something (type=bind|volume|tmpfs|image,src=...,dst=...)', parseMount),
  net: append<NetworkOption>('network', 'Connect to a network', parseNetwork, { hidden: true, complete: 'network' }),
  'net-alias': flag.list('Another name in the network', { hidden: true }),
  network: append<NetworkOption>('network', 'Connect to a network (NAME, or name=NAME,alias=...,ip=...)', parseNetwork, { complete: 'network' }),
  'network-alias': flag.list('Another name in the network'),
  'no-healthcheck': flag.bool('Ignore the HEALTHCHECK of the image'),
  'oom-kill-disable': flag.bool('Do not kill processes that exceed the memory limit'),
  'oom-score-adj': flag.int('How likely the kernel is to kill the container when memory is short (-1000 to 1000)'),
  pid: flag.text('PID namespace: host or container:NAME'),
  'pids-limit': flag.int('Limit of processes; -1 for no limit'),
  privileged: flag.bool('Give the container all privileges of the host'),
  publish: flag.list('Publish a port on the host ([IP:][HOST:]CONTAINER[/PROTO])', { short: 'p' }),
  'publish-all': flag.bool('Publish every exposed port on a free port of the host', { short: 'P' }),
  'read-only': flag.bool('Mount the root file system read-only'),
  restart: flag.text('What happens when the container exits: no, on-failure[:N], always, unless-stopped', { default: 'no', complete: ['always', 'no', 'on-failure', 'unless-stopped'] }),
  rm: flag.bool('Remove the container and its anonymous volumes when it exits'),
  runtime: flag.text('OCI runtime to use'),
  'security-opt': flag.list('Set a security option (seccomp=FILE, no-new-privileges, ...)'),
  'shm-size': flag.bytes('Size of /dev/shm'),
  'stop-signal': flag.text('Signal that stops the container'),
  'stop-timeout': flag.int('Seconds to wait before killing a container that is stopped'),
  'storage-opt': flag.list('Set an option of the storage driver (KEY=VALUE)'),
  sysctl: flag.map('Set a kernel parameter inside the container (KEY=VALUE)', { check: sysctlItem }),
  tmpfs: flag.list('Mount an empty file system in memory (PATH[:OPTIONS])'),
  tty: flag.bool('Give the process a terminal', { short: 't' }),
  ulimit: flag.custom<Readonly<Record<string, Ulimit>>>('ulimit', 'Set a limit of the process (NAME=SOFT[:HARD])', {}, (value, before) => {
    const limit = parseUlimit(value);
    return { ...before, [limit.Name]: limit };
  }),
  'use-api-socket': flag.bool('Mount the socket of the engine into the container'),
  user: flag.text('User and group of the process (NAME|UID[:GROUP|GID])', { short: 'u' }),
  userns: flag.text('User namespace: host or empty', { complete: ['host'] }),
  uts: flag.text('UTS namespace: host or empty', { complete: ['host'] }),
  volume: flag.list('Mount a folder of the host or a volume ([SOURCE:]TARGET[:OPTIONS])', { short: 'v', complete: 'file' }),
  'volume-driver': flag.text('Driver of volumes that are made on the way'),
  'volumes-from': flag.list('Mount the volumes of another container', { complete: 'container' }),
  workdir: flag.text('Working directory of the process', { short: 'w' }),
} as const satisfies flag.FlagTable;

/** Flags of `create` and `run` that concern the request. */
export const requestFlags = {
  name: flag.text('Name of the container'),
  platform: flag.text('Platform of the image, for example linux/arm64'),
  quiet: flag.bool('Say nothing while pulling', { short: 'q' }),
} as const satisfies flag.FlagTable;

export type CreateFlagValues = flag.FlagValues<typeof createFlags>;
