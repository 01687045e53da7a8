import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '#base/ids.ts';
import { asContainerId } from '#spec/ids.ts';
import { cgroupFolder, oomKills, removeCgroup, type CgroupHierarchies } from '#host/cgroup.ts';
import type { StepLimits } from '#host/step.ts';
import type { Networks, Sandbox } from '../ports.ts';
import type { StepLedger } from './ledger.ts';

/**
 * Networks of a build's steps. A namespace serves one step after another: making one takes longer than a small step.
 * Nothing runs in it in between, as a step's processes end with it.
 */
export class NetworkPool implements AsyncDisposable {
  readonly #networks: Networks;
  readonly #ledger: StepLedger;
  readonly #free = new Map<string, { id: string; sandbox: Sandbox }[]>();
  readonly #all = new Set<string>();
  #closed = false;

  constructor(networks: Networks, ledger: StepLedger) {
    this.#networks = networks;
    this.#ledger = ledger;
  }

  async take(network: string): Promise<{ sandbox: Sandbox; giveBack: (clean: boolean) => Promise<void> }> {
    const free = this.#free.get(network)?.pop();
    const { id, sandbox } = free ?? (await this.#make(network));
    return {
      sandbox,
      giveBack: async (clean) => {
        if (!clean || this.#closed) {
          await this.#remove(id);
          return;
        }
        const list = this.#free.get(network) ?? [];
        this.#free.set(network, list);
        list.push({ id, sandbox });
      },
    };
  }

  async #make(network: string): Promise<{ id: string; sandbox: Sandbox }> {
    const id = newId();
    this.#ledger.add(id, 'network');
    this.#all.add(id);
    try {
      const sandbox = await this.#networks.up({
        container: asContainerId(id), name: `build-${id.slice(0, 12)}`, hostname: 'localhost', domainname: '', endpoints: [{ network, settings: {} }], ports: {}, exposed: [], linked: [],
        dns: [], dnsSearch: [], dnsOptions: [], extraHosts: [], sysctls: {},
      });
      return { id, sandbox };
    } catch (error) {
      await this.#remove(id).catch(() => {});
      throw error;
    }
  }

  async #remove(id: string): Promise<void> {
    await this.#networks.down(asContainerId(id));
    this.#all.delete(id);
    this.#ledger.remove(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#free.values()].flat().map(({ id }) => this.#remove(id)));
    this.#free.clear();
  }
}

/** The cgroup above all steps of one build, which holds its limits; only where there are any. */
export class LimitGroup implements Disposable {
  readonly path: string | undefined;
  readonly #cgroups: CgroupHierarchies;
  readonly #ledger: StepLedger;

  constructor(options: { cgroups: CgroupHierarchies; ledger: StepLedger; parent: string; name: string; limits: StepLimits }) {
    this.#cgroups = options.cgroups;
    this.#ledger = options.ledger;
    const { limits } = options;
    if (!hasLimits(limits)) return;
    this.path = join(options.parent, options.name);
    this.#ledger.add(this.path, 'cgroup');
    this.#write(limits);
  }

  #write(limits: StepLimits): void {
    const v2 = this.#cgroups.version === 2;
    const write = (controller: string, file: string, text: string): void => {
      const folder = this.path === undefined ? undefined : cgroupFolder(this.#cgroups, this.path, controller);
      if (folder === undefined) return;
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, file), text);
    };
    const { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems } = limits;
    if (memory > 0) {
      write('memory', v2 ? 'memory.max' : 'memory.limit_in_bytes', String(memory));
      const swap = memorySwap === 0 ? memory * 2 : memorySwap;
      try {
        write('memory', v2 ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes', swap < 0 ? (v2 ? 'max' : '-1') : String(v2 ? swap - memory : swap));
      } catch {
        // A kernel that does not count swap.
      }
    }
    if (cpuQuota > 0) {
      const period = cpuPeriod > 0 ? cpuPeriod : 100_000;
      if (v2) write('cpu', 'cpu.max', `${cpuQuota} ${period}`);
      else {
        write('cpu', 'cpu.cfs_period_us', String(period));
        write('cpu', 'cpu.cfs_quota_us', String(cpuQuota));
      }
    }
    if (cpuShares > 0) write('cpu', v2 ? 'cpu.weight' : 'cpu.shares', String(v2 ? Math.max(1, Math.round(1 + ((cpuShares - 2) * 9999) / 262142)) : cpuShares));
    if (cpusetCpus !== '' || cpusetMems !== '') {
      const folder = cgroupFolder(this.#cgroups, this.path ?? '', 'cpuset');
      const inherited = (file: string): string => (folder === undefined ? '' : readFileSync(join(folder, '..', file), 'utf8').trim());
      write('cpuset', 'cpuset.mems', cpusetMems || (v2 ? '' : inherited('cpuset.mems')));
      write('cpuset', 'cpuset.cpus', cpusetCpus || (v2 ? '' : inherited('cpuset.cpus')));
    }
  }

  /** Rises when the kernel kills something for want of memory under this limit. */
  shortages(): number {
    if (this.path === undefined) return 0;
    if (this.#cgroups.version === 2) return oomKills(this.#cgroups, this.path);
    // v1 counts a kill where the victim was, which is gone by now; the limit's own counter stays.
    const folder = cgroupFolder(this.#cgroups, this.path, 'memory');
    try {
      return folder === undefined ? 0 : Number(readFileSync(join(folder, 'memory.failcnt'), 'utf8'));
    } catch {
      return 0;
    }
  }

  [Symbol.dispose](): void {
    if (this.path === undefined) return;
    removeCgroup(this.#cgroups, this.path);
    this.#ledger.remove(this.path);
  }
}

const hasLimits = (limits: StepLimits): boolean =>
  [limits.memory, limits.cpuShares, limits.cpuQuota].some((value) => value > 0) || limits.cpusetCpus !== '' || limits.cpusetMems !== '';
