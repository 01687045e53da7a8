import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, isErrno } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { removeCgroup, type CgroupHierarchies } from '#host/cgroup.ts';
import type { HostFacts } from '#host/facts.ts';
import type { Jail } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import type { Mounts } from '#host/mount.ts';
import type { Runtime } from '#host/runtime.ts';
import type { StepLimits, StepRequest, StepResult, StepRunner, StepSession } from '#host/step.ts';
import type { EmitEvent } from '#spec/event.ts';
import { asContainerId } from '#spec/ids.ts';
import { removeBundle } from '../bundle.ts';
import { effectiveHostConfig } from '../oci/host-config.ts';
import { prepareInitLayer } from '../oci/init-layer.ts';
import type { ContainerDefaults, NamespaceChoice, PlannedMount } from '../oci/input.ts';
import { leadOf } from '../oci/lead.ts';
import { prepareSpec, type PreparedSpec } from '../oci/prepare.ts';
import { renderSpec } from '../oci/render.ts';
import type { SeccompCache } from '../oci/seccomp-cache.ts';
import type { Networks, Sandbox } from '../ports.ts';
import { requireRunnable } from './emulation.ts';
import type { StepLedger } from './ledger.ts';
import { planStepMounts } from './step-mounts.ts';
import { runStep } from './step-process.ts';
import { LimitGroup, NetworkPool } from './step-session.ts';
import { missingPoints } from './stubs.ts';

export interface StepRunnerOptions {
  layout: Layout;
  log: Log;
  mounts: Mounts;
  jail: Jail;
  networks: Networks;
  facts: HostFacts;
  defaults: ContainerDefaults;
  filters: SeccompCache;
  cgroups: CgroupHierarchies;
  cgroupParent: string;
  ledger: StepLedger;
  /** The runtime on a state folder of the steps' own. */
  runtime: () => { runtime: Runtime; stateRoot: string };
  rootless: boolean;
  /** The network namespace of a running container, and the files that go with it. */
  containerNetwork(name: string): { netnsPath: string; hosts: string; resolvConf: string };
  emit: EmitEvent;
}

/** Runs steps of builds with crun alone: no monitor, no log file, no record but that they exist. */
export class Steps implements StepRunner {
  readonly #options: StepRunnerOptions;
  readonly #folder: string;
  readonly #initLayer: string;

  constructor(options: StepRunnerOptions) {
    this.#options = options;
    this.#folder = join(options.layout.run, 'steps');
    this.#initLayer = join(options.layout.root, 'init-layer');
  }

  open(name: string, limits: StepLimits): StepSession {
    const { networks, ledger, cgroups, cgroupParent } = this.#options;
    const pool = new NetworkPool(networks, ledger);
    const parent = limits.cgroupParent === '' ? cgroupParent : join('/', limits.cgroupParent);
    const group = new LimitGroup({ cgroups, ledger, parent, name, limits });
    return {
      run: (request) => this.#run(request, pool, group, parent),
      async [Symbol.asyncDispose]() {
        group[Symbol.dispose]();
        await pool[Symbol.asyncDispose]();
      },
    };
  }

  async recover(): Promise<void> {
    const { ledger, mounts, cgroups, networks, log } = this.#options;
    for (const { id, kind } of ledger.list()) {
      try {
        if (kind === 'step') {
          await this.#options.runtime().runtime.delete(id);
          removeBundle(mounts, join(this.#folder, id));
        } else if (kind === 'network') await networks.down(asContainerId(id));
        else removeCgroup(cgroups, id);
        ledger.remove(id);
      } catch (error) {
        log.warn('what a step of a build left could not be taken away', { id, error });
      }
    }
    for (const name of listFolder(this.#folder)) removeBundle(mounts, join(this.#folder, name));
  }

  async #run(request: StepRequest, pool: NetworkPool, group: LimitGroup, parent: string): Promise<StepResult> {
    const { ledger, mounts, facts } = this.#options;
    requireRunnable(request.platform, facts);
    request.signal.throwIfAborted();
    const { id } = request;
    const bundle = join(this.#folder, id);
    await using undo = new AsyncDisposableStack();
    ledger.add(id, 'step');
    undo.defer(() => ledger.remove(id));
    const network = this.#network(request, pool, undo);
    mkdirSync(join(bundle, 'root'), { recursive: true, mode: 0o711 });
    undo.defer(() => removeBundle(mounts, bundle));
    const root = this.#mountRoot(request, bundle);
    const planned = planStepMounts(request.mounts, bundle, mounts, this.#overlayOptions());
    const missing = missingPoints(root, planned.map((mount) => leadOf(root, mount.destination)));
    const files = { hosts: join(bundle, 'hosts'), hostname: join(bundle, 'hostname'), resolvConf: join(bundle, 'resolv.conf') };
    using prepared = this.#prepare(request, { root, bundle, planned, files, cgroupsPath: join(group.path ?? parent, id) });
    const sandbox = await network;
    this.#writeFiles(request, sandbox, files);
    if (sandbox !== undefined) for (const item of prepared.spec.linux.namespaces) if (item.type === 'network') item.path = sandbox.netnsPath;
    const before = group.shortages() + systemKills();
    // Who asked with the classic builder sees containers where BuildKit's clients see none.
    const tell = (action: string, attributes: Record<string, string> = {}): void => {
      if (request.announced) this.#options.emit({ type: 'container', action, id, attributes: { image: '', name: id.slice(0, 12), ...attributes } });
    };
    tell('create');
    tell('start');
    undo.defer(() => tell('destroy'));
    const result = await this.#execute(request, prepared, bundle, undo);
    const oomKilled = result.exitCode === 137 && group.shortages() + systemKills() > before;
    tell('die', { exitCode: String(result.exitCode) });
    for (const { target } of mounts.list(bundle).reverse()) mounts.unmount(target);
    if (missing.length > 0) await this.#options.jail.run<'tidy'>({ kind: 'tidy', paths: missing, upper: request.root.upper, lower: [...request.root.lower, this.#initLayer] });
    return { ...result, oomKilled };
  }

  async #execute(request: StepRequest, prepared: PreparedSpec, bundle: string, undo: AsyncDisposableStack): Promise<{ exitCode: number; refusal: string | undefined }> {
    const { filters } = this.#options;
    const { runtime, stateRoot } = this.#options.runtime();
    const { spec } = prepared;
    const key = runtime.name === 'crun' ? filters.apply(spec) : undefined;
    writeFileSync(join(bundle, 'config.json'), renderSpec(spec), { mode: 0o600 });
    const { id, signal } = request;
    undo.defer(() => runtime.delete(id));
    let dead = false;
    const kill = (): void => {
      // The runtime may not have come so far as to have something to kill.
      const again = setInterval(() => (dead ? clearInterval(again) : void runtime.kill(id, 9, true).catch(() => {})), 20);
      runtime.kill(id, 9, true).catch(() => {});
    };
    // It may have been given up while its network was made.
    signal.throwIfAborted();
    signal.addEventListener('abort', kill, { once: true });
    const watch = key === undefined ? undefined : this.#keepFilter(key, join(stateRoot, id));
    try {
      const result = await runStep({ id, bundle, runtime: runtime.path, stateRoot, args: request.args, cwd: request.cwd, output: request.output });
      signal.throwIfAborted();
      return result;
    } finally {
      dead = true;
      watch?.[Symbol.dispose]();
      signal.removeEventListener('abort', kill);
    }
  }

  /** The first step with a profile: what crun compiled lies in its state folder while the step runs. */
  #keepFilter(key: string, stateFolder: string): Disposable {
    const timer = setInterval(() => {
      try {
        if (readFileSync(join(stateFolder, 'seccomp.bpf')).length === 0) return;
      } catch {
        return;
      }
      clearInterval(timer);
      this.#options.filters.remember(key, stateFolder);
    }, 1);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  #network(request: StepRequest, pool: NetworkPool, undo: AsyncDisposableStack): Promise<Sandbox | undefined> {
    if (request.network === 'host' || request.network === 'none') return Promise.resolve(undefined);
    if (request.network.startsWith('container:')) {
      const { netnsPath, hosts, resolvConf } = this.#options.containerNetwork(request.network.slice('container:'.length));
      return Promise.resolve({ id: '', netnsPath, endpoints: {}, ports: {}, hosts, resolvConf });
    }
    const taken = pool.take(request.network === 'sandbox' ? 'bridge' : request.network);
    taken.catch(() => {});
    undo.defer(async () => {
      const item = await taken.catch(() => undefined);
      await item?.giveBack(!request.insecure && !request.signal.aborted);
    });
    return taken.then(({ sandbox }) => sandbox);
  }

  #mountRoot(request: StepRequest, bundle: string): string {
    prepareInitLayer(this.#initLayer);
    const target = join(bundle, 'root');
    // Below everything: mount points that the image lacks are there, and what it has wins.
    const lower = [...request.root.lower, this.#initLayer];
    const { upper, work } = request.root;
    this.#options.mounts.overlay({ lower, upper, work, target, options: this.#overlayOptions() });
    return target;
  }

  #overlayOptions(): string[] {
    // A layer of a crash is thrown away: nothing has to reach the disk before it is complete.
    return [...(this.#options.rootless ? ['userxattr'] : []), 'volatile'];
  }

  #prepare(
    request: StepRequest,
    parts: { root: string; bundle: string; planned: PlannedMount[]; files: { hosts: string; hostname: string; resolvConf: string }; cgroupsPath: string },
  ): PreparedSpec {
    const { facts, defaults } = this.#options;
    const hostConfig = effectiveHostConfig(
      {
        ShmSize: request.shmSize,
        Ulimits: request.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
        Privileged: request.insecure,
        ReadonlyRootfs: request.root.readOnly,
      },
      defaults,
      facts,
    );
    const own: NamespaceChoice = { kind: 'private' };
    const network: NamespaceChoice = request.network === 'host' ? { kind: 'host' } : request.network === 'none' ? own : { kind: 'join', path: '' };
    return prepareSpec({
      id: request.id,
      bundle: parts.bundle,
      config: { Entrypoint: [...request.args], Cmd: [], Env: [...request.env], WorkingDir: request.cwd, User: request.user, Hostname: request.hostname, Tty: false },
      hostConfig,
      facts,
      defaults: { ...defaults, init: false },
      rootfs: parts.root,
      mounts: parts.planned,
      files: parts.files,
      namespaces: { network, pid: own, ipc: own, uts: own, cgroup: facts.cgroupVersion === 2 ? own : { kind: 'host' } },
      cgroupsPath: parts.cgroupsPath,
      shmSource: undefined,
      consoleSize: undefined,
    });
  }

  #writeFiles(request: StepRequest, sandbox: Sandbox | undefined, files: { hosts: string; hostname: string; resolvConf: string }): void {
    const extraHosts = request.extraHosts.map(({ host, ip }) => `${host}:${ip}`);
    const asked = { container: asContainerId(request.id.padEnd(64, '0')), name: 'build', hostname: request.hostname, domainname: '', dns: [], dnsSearch: [], dnsOptions: [], extraHosts };
    const host = this.#options.networks.hostFiles(asked, request.network === 'host' ? 'host' : 'none');
    const extra = request.extraHosts.map(({ host: name, ip }) => `${ip}\t${name}\n`).join('');
    writeFileSync(files.hosts, sandbox === undefined ? host.hosts : `${sandbox.hosts}${extra}`);
    writeFileSync(files.resolvConf, sandbox?.resolvConf ?? host.resolvConf);
    writeFileSync(files.hostname, `${request.hostname}\n`);
  }
}

/** Of the whole machine, since it came up. */
function systemKills(): number {
  return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw new EngineError('internal', `cannot read ${folder}`, { cause: error });
  }
}
