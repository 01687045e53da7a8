import type { ContainerCreateRequest, HealthConfig, HostConfig, RestartPolicy } from '#spec/wire/container.ts';
import type { CreateFlagValues } from './create-flags.ts';
import { cutPair, pairs } from './csv.ts';
import { isCdiDevice, parseDevice } from './devices.ts';
import { readPairsFile } from './environment.ts';
import { parseTmpfs, parseVolumes } from './mounts.ts';
import { parseNetworks } from './networks.ts';
import { parseExpose, parsePublish } from './ports.ts';
import { normalizeCapabilities, parseSecurityOptions } from './security.ts';

/** Turns flags and arguments into the body of POST /containers/create. Throws with Docker's words. */
export function createRequest(flags: CreateFlagValues, given: ReadonlySet<string>, args: readonly string[]): ContainerCreateRequest {
  const [image = '', ...command] = args;
  const attachesInput = flags.attach.includes('stdin') || flags.interactive;
  const published = parsePublish(flags.publish);
  const volumes = parseVolumes(flags.volume);
  const environment = [...flags['env-file'].flatMap((path) => readPairsFile(path, 'env', (key) => process.env[key])), ...flags.env];
  const labels = pairs([...flags['label-file'].flatMap((path) => readPairsFile(path, 'label', () => undefined)), ...flags.label]);
  const health = healthConfig(flags);
  const networks = parseNetworks([...flags.network, ...flags.net], {
    aliases: [...flags['network-alias'], ...flags['net-alias']],
    links: flags.link,
    linkLocalIps: flags['link-local-ip'],
    ip: flags.ip,
    ip6: flags.ip6,
    mac: macAddress(flags['mac-address']),
  });
  return {
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    AttachStdin: attachesInput,
    AttachStdout: flags.attach.length === 0 || flags.attach.includes('stdout'),
    AttachStderr: flags.attach.length === 0 || flags.attach.includes('stderr'),
    ExposedPorts: { ...published.exposed, ...parseExpose(flags.expose) },
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: flags.interactive && attachesInput,
    Env: environment,
    ...(command.length > 0 ? { Cmd: command } : {}),
    Image: image,
    Volumes: volumes.volumes,
    WorkingDir: flags.workdir,
    ...(given.has('entrypoint') ? { Entrypoint: [flags.entrypoint] } : {}),
    Labels: labels,
    ...(flags['stop-signal'] === '' ? {} : { StopSignal: flags['stop-signal'] }),
    ...(given.has('stop-timeout') ? { StopTimeout: flags['stop-timeout'] } : {}),
    ...(health ? { Healthcheck: health } : {}),
    HostConfig: hostConfig(flags, given, { binds: volumes.binds, bindings: published.bindings, mode: networks.mode }),
    NetworkingConfig: { EndpointsConfig: networks.endpoints },
  };
}

function hostConfig(
  flags: CreateFlagValues,
  given: ReadonlySet<string>,
  parts: { binds: string[]; bindings: NonNullable<HostConfig['PortBindings']>; mode: string },
): HostConfig {
  const security = parseSecurityOptions(flags['security-opt']);
  const restart = restartPolicy(flags.restart);
  if (flags.rm && restart.Name !== 'no' && restart.Name !== '') throw new Error('conflicting options: cannot specify both --restart and --rm');
  const cdi = flags.device.filter(isCdiDevice);
  const swappiness = flags['memory-swappiness'];
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) throw new Error(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  return {
    ...some('Binds', parts.binds),
    ContainerIDFile: flags.cidfile,
    LogConfig: { Type: flags['log-driver'], Config: logOptions(flags['log-driver'], flags['log-opt']) },
    NetworkMode: parts.mode,
    PortBindings: parts.bindings,
    RestartPolicy: restart,
    AutoRemove: flags.rm,
    VolumeDriver: flags['volume-driver'],
    ...some('VolumesFrom', flags['volumes-from']),
    ...(flags.mount.length > 0 ? { Mounts: [...flags.mount] } : {}),
    ...(Object.keys(flags.annotation).length > 0 ? { Annotations: flags.annotation } : {}),
    ...some('CapAdd', normalizeCapabilities(flags['cap-add'])),
    ...some('CapDrop', normalizeCapabilities(flags['cap-drop'])),
    CgroupnsMode: namespace(flags.cgroupns, '--cgroupns: invalid CGROUP mode', ['', 'private', 'host']),
    Dns: [...flags.dns],
    DnsOptions: [...flags['dns-option'], ...flags['dns-opt']],
    DnsSearch: [...flags['dns-search']],
    ...some('ExtraHosts', flags['add-host']),
    ...some('GroupAdd', flags['group-add']),
    IpcMode: flags.ipc,
    Links: [...flags.link],
    OomScoreAdj: flags['oom-score-adj'],
    PidMode: namespace(flags.pid, '--pid: invalid PID mode', ['', 'host', 'container:']),
    Privileged: flags.privileged,
    PublishAllPorts: flags['publish-all'],
    ReadonlyRootfs: flags['read-only'],
    ...some('SecurityOpt', security.options),
    ...(security.maskedPaths ? { MaskedPaths: security.maskedPaths } : {}),
    ...(security.readonlyPaths ? { ReadonlyPaths: security.readonlyPaths } : {}),
    ...storageOptions(flags['storage-opt']),
    ...(flags.tmpfs.length > 0 ? { Tmpfs: parseTmpfs(flags.tmpfs) } : {}),
    UTSMode: namespace(flags.uts, '--uts: invalid UTS mode', ['', 'host']),
    UsernsMode: namespace(flags.userns, '--userns: invalid USER mode', ['', 'host']),
    ShmSize: flags['shm-size'],
    ...(Object.keys(flags.sysctl).length > 0 ? { Sysctls: flags.sysctl } : {}),
    Runtime: flags.runtime,
    Isolation: flags.isolation,
    CpuShares: flags['cpu-shares'],
    Memory: flags.memory,
    NanoCpus: flags.cpus,
    CgroupParent: flags['cgroup-parent'],
    BlkioWeight: flags['blkio-weight'],
    BlkioWeightDevice: [...flags['blkio-weight-device']],
    BlkioDeviceReadBps: [...flags['device-read-bps']],
    BlkioDeviceWriteBps: [...flags['device-write-bps']],
    BlkioDeviceReadIOps: [...flags['device-read-iops']],
    BlkioDeviceWriteIOps: [...flags['device-write-iops']],
    CpuPeriod: flags['cpu-period'],
    CpuQuota: flags['cpu-quota'],
    CpuRealtimePeriod: flags['cpu-rt-period'],
    CpuRealtimeRuntime: flags['cpu-rt-runtime'],
    CpusetCpus: flags['cpuset-cpus'],
    CpusetMems: flags['cpuset-mems'],
    Devices: flags.device.filter((item) => !isCdiDevice(item)).map(parseDevice),
    ...some('DeviceCgroupRules', flags['device-cgroup-rule']),
    ...some('DeviceRequests', [...flags.gpus, ...(cdi.length > 0 ? [{ Driver: 'cdi', DeviceIDs: cdi }] : [])]),
    MemoryReservation: flags['memory-reservation'],
    MemorySwap: flags['memory-swap'],
    ...(swappiness === -1 ? {} : { MemorySwappiness: swappiness }),
    OomKillDisable: flags['oom-kill-disable'],
    ...(given.has('init') ? { Init: flags.init } : {}),
    PidsLimit: flags['pids-limit'],
    Ulimits: Object.values(flags.ulimit).sort((a, b) => (a.Name < b.Name ? -1 : 1)),
    CpuCount: flags['cpu-count'],
    CpuPercent: flags['cpu-percent'],
    IOMaximumIOps: flags['io-maxiops'],
    IOMaximumBandwidth: flags['io-maxbandwidth'],
  };
}

/** Absent rather than empty, as Docker's client sends it. */
function some<K extends string, T>(key: K, items: readonly T[]): { [P in K]?: T[] } {
  return (items.length > 0 ? { [key]: [...items] } : {}) as { [P in K]?: T[] };
}

function namespace(value: string, message: string, allowed: readonly string[]): string {
  const fits = allowed.some((item) => (item.endsWith(':') ? value.startsWith(item) && value.length > item.length : value === item));
  if (!fits) throw new Error(message);
  return value;
}

/** Reads `--restart`. The engine judges the name. */
export function restartPolicy(text: string): RestartPolicy {
  const [name, count] = cutPair(text, ':');
  if (count !== undefined && name === '') throw new Error('invalid restart policy format: no policy provided before colon');
  if (count !== undefined && !/^[+-]?\d+$/.test(count)) throw new Error('invalid restart policy format: maximum retry count must be an integer');
  return { Name: name, MaximumRetryCount: Number(count ?? 0) };
}

function logOptions(driver: string, items: readonly string[]): Record<string, string> {
  if (driver === 'none' && items.length > 0) throw new Error(`invalid logging opts for driver ${driver}`);
  return pairs(items);
}

function storageOptions(items: readonly string[]): { StorageOpt?: Record<string, string> } {
  if (items.length === 0) return {};
  if (items.some((item) => !item.includes('='))) throw new Error('invalid storage option');
  return { StorageOpt: pairs(items) };
}

function macAddress(text: string): string {
  if (text !== '' && !/^([\da-f]{2}[:-]){5}([\da-f]{2}([:-][\da-f]{2}){0,14})$/i.test(text.trim())) throw new Error(`${text} is not a valid mac address`);
  return text;
}

function healthConfig(flags: CreateFlagValues): HealthConfig | undefined {
  const times = ['health-interval', 'health-timeout', 'health-start-period', 'health-start-interval'] as const;
  const settings = flags['health-cmd'] !== '' || flags['health-retries'] !== 0 || times.some((name) => flags[name] !== 0);
  if (flags['no-healthcheck']) {
    if (settings) throw new Error('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!settings) return undefined;
  for (const name of [...times, 'health-retries'] as const) {
    if (flags[name] < 0) throw new Error(`--${name} cannot be negative`);
  }
  return {
    ...(flags['health-cmd'] === '' ? {} : { Test: ['CMD-SHELL', flags['health-cmd']] }),
    Interval: flags['health-interval'],
    Timeout: flags['health-timeout'],
    StartPeriod: flags['health-start-period'],
    StartInterval: flags['health-start-interval'],
    Retries: flags['health-retries'],
  };
}
