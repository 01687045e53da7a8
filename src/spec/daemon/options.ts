/**
 * Every option of the engine, in dockerd's terms: as a key of daemon.json and as a command line flag. One table, so that
 * no key is read without being known and none is known without saying what becomes of it.
 */

type Kind = 'string' | 'boolean' | 'integer' | 'list' | 'map' | 'pools' | 'ulimits' | 'runtimes' | 'object';

/** `honoured`: changes what the engine does. `moot`: harmless here, the text says why. `refused`: any value but these fails. */
type Fate =
  | { fate: 'honoured' }
  | { fate: 'moot'; why: string }
  | { fate: 'refused'; unless: readonly unknown[]; why: string };

export interface Option {
  readonly kind: Kind;
  /** Without the dashes; absent when only the file can say it. */
  readonly flag?: string;
  readonly short?: string;
  readonly fate: Fate;
}

const honoured: Fate = { fate: 'honoured' };
const moot = (why: string): Fate => ({ fate: 'moot', why });
const refused = (why: string, ...unless: unknown[]): Fate => ({ fate: 'refused', unless, why });

type OptionOf<K extends Kind> = Option & { readonly kind: K };

const text = (flag: string, fate: Fate = honoured): OptionOf<'string'> => ({ kind: 'string', flag, fate });
const yesNo = (flag: string, fate: Fate = honoured): OptionOf<'boolean'> => ({ kind: 'boolean', flag, fate });
const whole = (flag: string, fate: Fate = honoured): OptionOf<'integer'> => ({ kind: 'integer', flag, fate });
const list = (flag: string, fate: Fate = honoured): OptionOf<'list'> => ({ kind: 'list', flag, fate });
const map = (flag: string, fate: Fate = honoured): OptionOf<'map'> => ({ kind: 'map', flag, fate });

const noSwarm = refused('Gantry has no Swarm mode', '', undefined);
const noPlugins = refused('plugins are not supported yet');
const ownMonitor = moot('containers have monitors of their own and need no containerd');

export const OPTIONS = {
  'data-root': text('data-root'),
  'exec-root': text('exec-root'),
  pidfile: { kind: 'string', flag: 'pidfile', short: 'p', fate: honoured },
  hosts: { kind: 'list', flag: 'host', short: 'H', fate: honoured },
  group: { kind: 'string', flag: 'group', short: 'G', fate: honoured },
  debug: { kind: 'boolean', flag: 'debug', short: 'D', fate: honoured },
  'log-level': { kind: 'string', flag: 'log-level', short: 'l', fate: honoured },
  'log-format': text('log-format'),
  'log-driver': text('log-driver'),
  'log-opts': map('log-opt'),
  labels: list('label'),
  tls: yesNo('tls'),
  tlsverify: yesNo('tlsverify'),
  tlscacert: text('tlscacert'),
  tlscert: text('tlscert'),
  tlskey: text('tlskey'),
  bip: text('bip'),
  bridge: { kind: 'string', flag: 'bridge', short: 'b', fate: honoured },
  mtu: whole('mtu'),
  'default-address-pools': { kind: 'pools', flag: 'default-address-pool', fate: honoured },
  dns: list('dns'),
  'dns-opts': list('dns-opt'),
  'dns-search': list('dns-search'),
  ip: text('ip'),
  iptables: yesNo('iptables'),
  'ip-forward': yesNo('ip-forward'),
  'ip-masq': yesNo('ip-masq'),
  icc: yesNo('icc'),
  ipv6: yesNo('ipv6'),
  bip6: text('bip6'),
  'fixed-cidr-v6': text('fixed-cidr-v6'),
  'default-gateway-v6': text('default-gateway-v6'),
  'default-network-opts': { kind: 'object', fate: honoured },
  'publish-policy': text('publish-policy'),
  'allow-direct-routing': yesNo('allow-direct-routing', refused('give the network the gateway mode routed or nat-unprotected', false)),
  'ip-forward-no-drop': yesNo('ip-forward-no-drop', moot('the engine sets no policy for the rest of the machine')),
  'userland-proxy-path': text('userland-proxy-path', moot('the engine itself forwards what the kernel cannot')),
  ip6tables: yesNo('ip6tables', moot('IPv6 rules are made with the networks that need them')),
  'userland-proxy': yesNo('userland-proxy'),
  'firewall-backend': text('firewall-backend', refused('the firewall is nftables', 'nftables', '')),
  'fixed-cidr': text('fixed-cidr'),
  'default-gateway': text('default-gateway'),
  'host-gateway-ips': list('host-gateway-ip'),
  'default-runtime': text('default-runtime'),
  runtimes: { kind: 'runtimes', flag: 'add-runtime', fate: honoured },
  'default-ulimits': { kind: 'ulimits', flag: 'default-ulimit', fate: honoured },
  'default-shm-size': text('default-shm-size'),
  'default-ipc-mode': text('default-ipc-mode'),
  'default-cgroupns-mode': text('default-cgroupns-mode'),
  'cgroup-parent': text('cgroup-parent'),
  init: yesNo('init'),
  'init-path': text('init-path'),
  'no-new-privileges': yesNo('no-new-privileges'),
  'seccomp-profile': text('seccomp-profile'),
  'shutdown-timeout': whole('shutdown-timeout', moot('containers are not stopped with the engine')),
  'live-restore': yesNo('live-restore', moot('containers always outlive the engine')),
  'userns-remap': text('userns-remap', refused('user namespace remapping of the whole engine is not supported yet', '')),
  'storage-driver': { kind: 'string', flag: 'storage-driver', short: 's', fate: refused('the storage driver is overlay2', 'overlay2', '') },
  'storage-opts': list('storage-opt', refused('there are no storage options')),
  'exec-opts': list('exec-opt', refused('cgroups are made without systemd', 'native.cgroupdriver=cgroupfs')),
  'selinux-enabled': yesNo('selinux-enabled', refused('SELinux labels are not supported', false)),
  'insecure-registries': list('insecure-registry'),
  'registry-mirrors': list('registry-mirror'),
  'allow-nondistributable-artifacts': list('allow-nondistributable-artifacts'),
  'max-concurrent-downloads': whole('max-concurrent-downloads'),
  'max-concurrent-uploads': whole('max-concurrent-uploads'),
  'max-download-attempts': whole('max-download-attempts'),
  'http-proxy': text('http-proxy'),
  'https-proxy': text('https-proxy'),
  'no-proxy': text('no-proxy'),
  'oom-score-adjust': whole('oom-score-adjust', refused('set it where the engine is started', 0)),
  experimental: yesNo('experimental', moot('nothing is hidden behind it')),
  'raw-logs': yesNo('raw-logs', moot('logs have no colours')),
  features: { kind: 'map', flag: 'feature', fate: moot('no feature has a switch') },
  'cdi-spec-dirs': list('cdi-spec-dir'),
  'authorization-plugins': list('authorization-plugin', noPlugins),
  proxies: { kind: 'object', fate: honoured },
  builder: { kind: 'object', fate: moot('builds are not part of the engine yet') },
  containerd: text('containerd', ownMonitor),
  'containerd-namespace': text('containerd-namespace', ownMonitor),
  'containerd-plugins-namespace': text('containerd-plugins-namespace', ownMonitor),
  'metrics-addr': text('metrics-addr', refused('there is no metrics endpoint yet', '')),
  'swarm-default-advertise-addr': text('swarm-default-advertise-addr', noSwarm),
  'node-generic-resources': list('node-generic-resource', noSwarm),
  'network-control-plane-mtu': whole('network-control-plane-mtu', moot('there is no Swarm control plane')),
  'network-diagnostic-port': whole('network-diagnostic-port', refused('there is no network diagnostic server', 0)),
} as const satisfies Readonly<Record<string, Option>>;

export type OptionKey = keyof typeof OPTIONS;

/** What one key's value is once it was checked. */
export type OptionValue<K extends OptionKey> = ValueOfKind<(typeof OPTIONS)[K]['kind']>;

type ValueOfKind<K extends Kind> = K extends 'string'
  ? string
  : K extends 'boolean'
    ? boolean
    : K extends 'integer'
      ? number
      : K extends 'list'
        ? string[]
        : K extends 'map'
          ? Record<string, string>
          : K extends 'pools'
            ? AddressPoolOption[]
            : K extends 'ulimits'
              ? Record<string, UlimitOption>
              : K extends 'runtimes'
                ? Record<string, RuntimeOption>
                : Record<string, unknown>;

export interface AddressPoolOption {
  base: string;
  size: number;
}

export interface UlimitOption {
  Name: string;
  Soft: number;
  Hard: number;
}

export interface RuntimeOption {
  path: string;
}

/** Values by key, only those that were given. */
export type Settings = { -readonly [K in OptionKey]?: OptionValue<K> };

export function isOptionKey(key: string): key is OptionKey {
  return Object.hasOwn(OPTIONS, key);
}
