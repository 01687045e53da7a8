import { createHash } from 'node:crypto';
import { ZERO_TIME } from '#base/clock.ts';
import type { ContainerInspectResponse, ContainerState, ContainerSummary, Health, NetworkSettings, PortMap, PortSummary } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import type { ContainerRecord } from './container-record.ts';
import { hasProcess } from './container-state.ts';
import { inspectMounts } from './mounts.ts';
import { inspectContainerConfig, inspectHostConfig } from './oci/inspect-config.ts';
import type { Sandbox } from './ports.ts';
import { statusText } from './status-text.ts';

/** What a view needs beside the record. */
export interface ViewFacts {
  /** Files of the container below the data root. */
  folder: string;
  sandbox: Sandbox | undefined;
  /** Id of a network by name. */
  networkId(name: string): string | undefined;
}

export interface InspectFacts extends ViewFacts {
  logPath: string;
  /** `/other:/name/alias` each. */
  links: string[] | undefined;
  /** Empty where the kernel has no AppArmor. */
  apparmorProfile: string;
  execIds: string[] | null;
  /** overlayfs lower folders, topmost first. */
  layers: readonly string[];
  sizes: { rw: number; rootFs: number } | undefined;
}

/** The answer of GET /containers/{id}/json. */
export function inspectView(record: ContainerRecord, facts: InspectFacts): ContainerInspectResponse {
  const [path = '', ...args] = commandOf(record);
  const folder = facts.folder;
  return {
    Id: record.id,
    Created: record.created,
    Path: path,
    Args: args,
    State: stateView(record),
    Image: record.image,
    ResolvConfPath: `${folder}/resolv.conf`,
    HostnamePath: `${folder}/hostname`,
    HostsPath: `${folder}/hosts`,
    LogPath: facts.logPath,
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: 'overlay2',
    Platform: record.platform.os,
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: facts.apparmorProfile,
    ExecIDs: facts.execIds,
    HostConfig: inspectHostConfig({ ...record.hostConfig, Links: facts.links }),
    GraphDriver: {
      Data: {
        ID: record.id,
        LowerDir: facts.layers.join(':'),
        MergedDir: `${folder}/merged`,
        UpperDir: `${folder}/upper`,
        WorkDir: `${folder}/work`,
      },
      Name: 'overlay2',
    },
    ...(facts.sizes === undefined ? {} : { SizeRw: facts.sizes.rw, SizeRootFs: facts.sizes.rootFs }),
    Mounts: inspectMounts(record.mounts),
    Config: inspectContainerConfig(record.config),
    NetworkSettings: networkView(record, facts),
  };
}

export const commandOf = ({ config }: Pick<ContainerRecord, 'config'>): string[] => [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];

export function stateView(record: ContainerRecord): ContainerState {
  const { life, health } = record;
  const status = life.status;
  return {
    Status: status,
    Running: status === 'running' || status === 'paused' || status === 'restarting',
    Paused: status === 'paused',
    Restarting: status === 'restarting',
    OOMKilled: record.oomKilled,
    Dead: status === 'dead',
    Pid: hasProcess(life) ? life.process.pid : 0,
    ExitCode: record.exitCode,
    Error: record.error,
    StartedAt: record.startedAt,
    FinishedAt: record.finishedAt,
    ...(health === undefined ? {} : { Health: health }),
  };
}

function networkView(record: ContainerRecord, { sandbox, networkId }: ViewFacts): NetworkSettings {
  return {
    SandboxID: sandbox?.id ?? '',
    SandboxKey: sandbox?.netnsPath ?? '',
    Ports: sandbox?.ports ?? {},
    Networks: endpointsView(record, sandbox, networkId),
  };
}

const noEndpoint: Record<string, unknown> = {
  IPAMConfig: null, Links: null, Aliases: null, DriverOpts: null, GwPriority: 0, NetworkID: '', EndpointID: '', Gateway: '', IPAddress: '', MacAddress: '',
  IPPrefixLen: 0, IPv6Gateway: '', GlobalIPv6Address: '', GlobalIPv6PrefixLen: 0, DNSNames: null,
};

/**
 * What runs shows its addresses; what does not shows what it will ask for and, as in Docker, from its last run what its networks
 * and its names on them were.
 */
function endpointsView(record: ContainerRecord, sandbox: Sandbox | undefined, networkId: ViewFacts['networkId']): Record<string, EndpointSettings> {
  if (sandbox !== undefined) return Object.fromEntries(Object.entries(sandbox.endpoints).map(([name, settings]) => [name, complete({ NetworkID: networkId(name), ...settings })]));
  const mode = record.hostConfig.NetworkMode ?? '';
  const bare = mode === 'host' || mode === 'none';
  const asked: Record<string, EndpointSettings> = bare ? { [mode]: {} } : record.networks;
  const ran = record.startedAt !== ZERO_TIME;
  const known = (name: string, { Aliases }: EndpointSettings): Partial<EndpointSettings> => ({
    NetworkID: ran ? networkId(name) : '',
    // There is nothing to plug in, and yet clients tell by it who is there.
    ...(bare && hasProcess(record.life) ? { EndpointID: createHash('sha256').update(`${record.id} ${mode} ${record.startedAt}`).digest('hex') } : {}),
    ...(ran && !bare && name !== 'bridge' ? { DNSNames: namesOf(record, Aliases) } : {}),
  });
  return Object.fromEntries(Object.entries(asked).map(([name, settings]) => [name, complete({ ...settings, ...known(name, settings) })]));
}

const namesOf = ({ id, name, config }: ContainerRecord, aliases: readonly string[] | undefined): string[] =>
  [...new Set([name, ...(aliases ?? []), id.slice(0, 12), config.Hostname ?? ''])].filter((item) => item !== '');

/** Every field that Docker shows, with its empty value where there is none. */
function complete(settings: EndpointSettings): EndpointSettings {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  return { ...noEndpoint, ...Object.fromEntries(given) } as EndpointSettings;
}

/** One row of GET /containers/json. */
export function summaryView(
  record: ContainerRecord,
  facts: ViewFacts & { image: string; linkNames: readonly string[]; now: number; sizes: { rw: number; rootFs: number } | undefined },
): ContainerSummary {
  const { config, hostConfig } = record;
  return {
    Id: record.id,
    Names: [`/${record.name}`, ...facts.linkNames],
    Image: facts.image,
    ImageID: record.image,
    Command: shownCommand(commandOf(record)),
    Created: Math.floor(Date.parse(record.created) / 1000),
    Ports: portsView(facts.sandbox?.ports ?? {}),
    ...(facts.sizes === undefined ? {} : { SizeRw: facts.sizes.rw, SizeRootFs: facts.sizes.rootFs }),
    Labels: config.Labels ?? {},
    State: record.life.status,
    Status: statusText(record, facts.now),
    HostConfig: {
      NetworkMode: hostConfig.NetworkMode,
      ...(hostConfig.Annotations === undefined ? {} : { Annotations: hostConfig.Annotations }),
    },
    NetworkSettings: { Networks: endpointsView(record, facts.sandbox, facts.networkId) },
    Mounts: inspectMounts(record.mounts).map((mount) => (mount.Type === 'volume' ? { ...mount, Source: '' } : mount)),
    Health: { Status: healthStatus(record.health), FailingStreak: record.health?.FailingStreak ?? 0 },
  };
}

const healthStatus = (health: Health | undefined): string => health?.Status ?? 'none';

/** Arguments with blanks get quotes, for reading only. */
function shownCommand(words: readonly string[]): string {
  const [program = '', ...args] = words;
  return [program, ...args.map((word) => (word.includes(' ') ? `'${word}'` : word))].join(' ');
}

function portsView(ports: PortMap): PortSummary[] {
  return Object.entries(ports).flatMap(([port, bindings]) => {
    const [number = '', type = 'tcp'] = port.split('/');
    const inside = { PrivatePort: Number(number), Type: type };
    if (bindings === null || bindings.length === 0) return [inside];
    return bindings.map(({ HostIp = '', HostPort = '' }) => ({ IP: HostIp, ...inside, ...(HostPort === '' ? {} : { PublicPort: Number(HostPort) }) }));
  });
}
