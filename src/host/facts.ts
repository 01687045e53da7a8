import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { apparmorEnabled } from './apparmor.ts';
import { capabilityNames, capabilitiesOfMask } from './capability-names.ts';

export interface Rlimit {
  soft: number;
  hard: number;
}

/** What this machine and this process can do; read once when the engine starts (`readHostFacts`). */
export interface HostFacts {
  /** GOARCH terms: amd64, arm64, ... */
  architecture: string;
  kernel: { major: number; minor: number };
  cgroupVersion: 1 | 2;
  /** Controllers that containers can be limited with, in cgroup v1 terms (`blkio`, `cpu`, `cpuset`, `memory`, `pids`, ...). */
  controllers: readonly string[];
  /** Control files that exist (`memory.swappiness`, `cpu.rt_runtime_us`, ...): not every kernel offers each. */
  controlFiles: readonly string[];
  /** CPUs the kernel has online. */
  cpus: number;
  /** As in cpuset files, e.g. `0-1`. */
  cpusetCpus: string;
  cpusetMems: string;
  /** Bytes of RAM. */
  memory: number;
  /** What the engine itself holds and can hand on, e.g. `CAP_CHOWN`; a container never gets more. */
  capabilities: readonly string[];
  /** Names of every capability the kernel knows. */
  knownCapabilities: readonly string[];
  apparmor: boolean;
  /** Profile for containers that name none, when one is loaded. */
  apparmorDefault: string | undefined;
  selinux: boolean;
  seccomp: boolean;
  /** The engine's own limits by name without RLIMIT_, lower case (`nofile`). -1 is unlimited. */
  rlimits: Readonly<Record<string, Rlimit>>;
  rootless: boolean;
  /** The engine's own, which containers inherit. */
  oomScoreAdj: number;
  /** A static init to run as PID 1 for `--init`, or undefined. */
  initBinary: string | undefined;
  /** Folders with CDI specs, in rising priority. */
  cdiDirs: readonly string[];
}

const architectures: Record<string, string> = { x64: 'amd64', ia32: '386', loong64: 'loong64', arm64: 'arm64', ppc64: 'ppc64le', s390x: 's390x', riscv64: 'riscv64' };
const cgroupRoot = '/sys/fs/cgroup';

/** Reads the facts anew; a few dozen small files, about a millisecond. */
export function readHostFacts(options: {
  rootless: boolean;
  cdiDirs: readonly string[];
  initBinary?: string | undefined;
  /** What `loadDefaultApparmorProfile` returned. */
  apparmorDefault?: string | undefined;
}): HostFacts {
  const status = readOr('/proc/self/status', '');
  const unified = exists(join(cgroupRoot, 'cgroup.controllers'));
  const online = readOr('/sys/devices/system/cpu/online', `0-${availableParallelism() - 1}`).trim();
  const [major = 0, minor = 0] = readOr('/proc/sys/kernel/osrelease', '0.0').split('.').map((part) => Number.parseInt(part, 10));
  const lastCapability = Number(readOr('/proc/sys/kernel/cap_last_cap', '40'));
  const held = capabilitiesOfMask(/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0');
  const bounding = capabilitiesOfMask(/^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0');
  return {
    architecture: architectures[process.arch] ?? process.arch,
    kernel: { major, minor },
    cgroupVersion: unified ? 2 : 1,
    controllers: unified ? unifiedControllers() : legacyControllers(),
    controlFiles: unified ? unifiedFiles() : legacyFiles(),
    cpus: parseCpuList(online).length,
    cpusetCpus: cpuset('cpus') ?? online,
    cpusetMems: cpuset('mems') ?? readOr('/sys/devices/system/node/online', '0').trim(),
    memory: totalmem(),
    capabilities: bounding.filter((name) => held.includes(name)),
    knownCapabilities: capabilityNames.slice(0, lastCapability + 1),
    apparmor: apparmorEnabled(),
    apparmorDefault: options.apparmorDefault,
    selinux: exists('/sys/fs/selinux/enforce'),
    seccomp: /^Seccomp:/m.test(status),
    rlimits: parseLimits(readOr('/proc/self/limits', '')),
    rootless: options.rootless,
    oomScoreAdj: Number(readOr('/proc/self/oom_score_adj', '0')),
    initBinary: options.initBinary ?? initCandidates.find((path) => exists(path, constants.X_OK)),
    cdiDirs: options.cdiDirs,
  };
}

/** Changes when another program takes the file's place, as an upgrade does. */
export function fileIdentity(path: string | undefined): string {
  if (path === undefined) return '';
  const { dev, ino, size, mtimeMs } = statSync(path);
  return [path, dev, ino, size, mtimeMs].join(' ');
}

/** Static programs only: a dynamic one would look for its C library in the container. */
const initCandidates = ['/usr/bin/tini-static', '/usr/bin/catatonit', '/usr/libexec/podman/catatonit', '/usr/bin/docker-init', '/usr/libexec/docker/docker-init'];

/** `0-2,5` → [0,1,2,5]; throws RangeError for what is not such a list. */
export function parseCpuList(text: string): number[] {
  const found = new Set<number>();
  for (const part of text.split(',')) {
    if (part === '') continue;
    const match = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part);
    const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (!match || to < from) throw new RangeError(`invalid format: ${text}`);
    for (let cpu = from; cpu <= to; cpu++) found.add(cpu);
  }
  return [...found].sort((a, b) => a - b);
}

function unifiedControllers(): string[] {
  const names = readOr(join(cgroupRoot, 'cgroup.controllers'), '').trim().split(' ');
  // The device and freezer controllers of v2 have no entry: they are eBPF and cgroup.freeze.
  return [...names.map((name) => (name === 'io' ? 'blkio' : name)), 'devices', 'freezer'];
}

function legacyControllers(): string[] {
  return readOr('/proc/self/mounts', '')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup')
    .flatMap(([, , , options = '']) => options.split(','))
    .filter((option) => legacyNames.has(option));
}

const legacyNames = new Set(['blkio', 'cpu', 'cpuacct', 'cpuset', 'devices', 'freezer', 'hugetlb', 'memory', 'net_cls', 'net_prio', 'perf_event', 'pids', 'rdma']);

/** v1 shows every control file in the hierarchy's root. */
function legacyFiles(): string[] {
  return ['blkio', 'cpu', 'cpuset', 'memory', 'pids'].flatMap((controller) => listing(join(cgroupRoot, controller)));
}

/** v2's root lacks the limits; a child with the controllers has them. Without one, what the controllers usually offer. */
function unifiedFiles(): string[] {
  const child = ['system.slice', 'user.slice', 'init.scope', ...listing(cgroupRoot)]
    .map((name) => join(cgroupRoot, name))
    .find((path) => exists(join(path, 'memory.max')));
  return child === undefined ? unifiedControllers().flatMap((name) => usualFiles[name] ?? []) : listing(child);
}

const usualFiles: Record<string, string[]> = {
  memory: ['memory.max', 'memory.low', 'memory.swap.max'],
  cpu: ['cpu.weight', 'cpu.max'],
  blkio: ['io.max', 'io.weight'],
};

function cpuset(kind: 'cpus' | 'mems'): string | undefined {
  const text = [`cpuset.${kind}.effective`, `cpuset/cpuset.${kind}`, `cpuset.${kind}`]
    .map((name) => readOr(join(cgroupRoot, name), '').trim())
    .find((content) => content !== '');
  return text;
}

const limitNames: Record<string, string> = {
  'Max cpu time': 'cpu', 'Max file size': 'fsize', 'Max data size': 'data', 'Max stack size': 'stack', 'Max core file size': 'core',
  'Max resident set': 'rss', 'Max processes': 'nproc', 'Max open files': 'nofile', 'Max locked memory': 'memlock',
  'Max address space': 'as', 'Max file locks': 'locks', 'Max pending signals': 'sigpending', 'Max msgqueue size': 'msgqueue',
  'Max nice priority': 'nice', 'Max realtime priority': 'rtprio', 'Max realtime timeout': 'rttime',
};

function parseLimits(text: string): Record<string, Rlimit> {
  const limits: Record<string, Rlimit> = {};
  const value = (word = ''): number => (word === 'unlimited' ? -1 : Number(word));
  for (const line of text.split('\n')) {
    const match = /^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)/.exec(line);
    const name = limitNames[match?.[1] ?? ''];
    if (name !== undefined) limits[name] = { soft: value(match?.[2]), hard: value(match?.[3]) };
  }
  return limits;
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}

function listing(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function exists(path: string, mode: number = constants.F_OK): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
