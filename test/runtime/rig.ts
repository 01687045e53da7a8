/** A root file system of busybox, bundles for it and a monitor with its runtime, for tests that need root. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../../src/base/ids.ts';
import { cgroupFolders, cgroupParent, detectCgroups, oomKills, prepareCgroups, removeCgroup } from '../../src/host/cgroup.ts';
import { createConmon } from '../../src/host/conmon.ts';
import { createCrun, readRuntimeStatus } from '../../src/host/crun.ts';
import { createLayout, type Layout } from '../../src/host/layout.ts';
import type { ExitStatus, Monitor, MonitoredProcess, MonitorOptions, Runtime } from '../../src/host/runtime.ts';
import type { LinuxResources, Process, RuntimeSpec } from '../../src/spec/oci-runtime.ts';

const applets = ['sh', 'true', 'false', 'echo', 'cat', 'sleep', 'seq', 'ls', 'id', 'env', 'dd', 'head', 'stty', 'tail', 'ps', 'kill', 'grep', 'yes', 'printf', 'wc', 'md5sum', 'test', 'trap', 'readlink', 'mount', 'touch', 'tty', 'chmod', 'cp'];

/** A root file system with busybox at /bin and little else. */
export function buildRootfs(path: string): void {
  for (const folder of ['bin', 'dev', 'proc', 'sys', 'tmp', 'etc', 'root']) mkdirSync(join(path, folder), { recursive: true });
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((candidate) => existsSync(candidate));
  assert.ok(busybox, 'busybox-static is needed');
  copyFileSync(busybox, join(path, 'bin/busybox'));
  for (const applet of applets) symlinkSync('busybox', join(path, 'bin', applet));
  writeFileSync(join(path, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
}

export interface BundleOptions {
  args: string[];
  cwd?: string;
  terminal?: boolean;
  env?: string[];
  resources?: LinuxResources;
}

/** One engine-like set of folders with a monitor and a runtime; dispose removes it all and checks that nothing is left. */
export class RuntimeRig {
  readonly layout: Layout;
  readonly monitor: Monitor;
  readonly runtime: Runtime;
  readonly exits = new Map<string, ExitStatus>();
  readonly cgroups = detectCgroups();
  readonly #folder: string;
  readonly #rootfs: string;
  readonly #watch: Disposable;
  readonly #waiting = new Map<string, (status: ExitStatus) => void>();
  readonly #pids = new Set<number>();
  /** The watch of the exit folder alone does not keep a process alive. */
  readonly #alive = setInterval(() => {}, 60_000);

  constructor(runtimeName: 'crun' | 'runc' = 'crun') {
    prepareCgroups();
    this.#folder = mkdtempSync(join(tmpdir(), 'gantry-runtime-'));
    this.layout = createLayout(join(this.#folder, 'root'), join(this.#folder, 'run'));
    this.#rootfs = join(this.#folder, 'rootfs');
    buildRootfs(this.#rootfs);
    for (const folder of [this.layout.exits, this.layout.runtimeState]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.runtime = createCrun({
      path: `/usr/${runtimeName === 'crun' ? 'bin' : 'sbin'}/${runtimeName}`,
      name: runtimeName,
      stateRoot: this.layout.runtimeState,
      cgroups: this.cgroups,
    });
    this.monitor = createConmon({
      path: '/usr/bin/conmon',
      cgroups: this.cgroups,
      oomKilled: (id) => {
        const status = readRuntimeStatus(this.layout.runtimeState, id, this.cgroups);
        return status !== undefined && oomKills(this.cgroups, status.cgroupPath) > 0;
      },
    });
    this.#watch = this.monitor.watchExits(this.layout.exits, (id, status) => {
      this.exits.set(id, status);
      this.#waiting.get(id)?.(status);
    });
  }

  cgroupPath(id: string): string {
    return `${cgroupParent(this.layout.instance)}/${id}`;
  }

  process(options: BundleOptions): Process {
    return {
      ...(options.terminal === undefined ? {} : { terminal: options.terminal }),
      user: { uid: 0, gid: 0 },
      args: options.args,
      env: options.env ?? ['PATH=/bin', 'TERM=xterm'],
      cwd: options.cwd ?? '/',
      noNewPrivileges: false,
    };
  }

  /** Writes a bundle and returns what `launch` wants. */
  bundle(options: BundleOptions, more: Partial<MonitorOptions> = {}): MonitorOptions {
    const id = newId();
    const bundle = this.layout.bundle(id);
    mkdirSync(bundle, { recursive: true });
    mkdirSync(this.layout.container(id), { recursive: true });
    const spec: RuntimeSpec = {
      ociVersion: '1.0.2',
      process: this.process(options),
      root: { path: this.#rootfs },
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
        { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['newinstance', 'ptmxmode=0666', 'mode=0620'] },
      ],
      linux: {
        cgroupsPath: this.cgroupPath(id),
        namespaces: [{ type: 'pid' }, { type: 'mount' }, { type: 'ipc' }, { type: 'uts' }, { type: 'network' }],
        ...(options.resources === undefined ? {} : { resources: options.resources }),
      },
    };
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
    return {
      id,
      bundle,
      runtime: this.runtime.path,
      runtimeState: this.layout.runtimeState,
      exitDir: this.layout.exits,
      terminal: options.terminal ?? false,
      stdin: false,
      stdinStaysOpen: false,
      log: { path: join(this.layout.container(id), 'log'), maxBytes: undefined },
      ...more,
    };
  }

  /** What `launch` wants for an exec in a running container. */
  exec(container: MonitorOptions, options: BundleOptions, more: Partial<MonitorOptions> = {}): MonitorOptions {
    const id = newId();
    const bundle = join(container.bundle, 'exec', id);
    mkdirSync(bundle, { recursive: true });
    return {
      ...container,
      id,
      bundle,
      terminal: options.terminal ?? false,
      stdin: false,
      log: undefined,
      exec: { container: container.id, process: this.process(options), pidFile: join(bundle, 'pid') },
      ...more,
    };
  }

  async launch(options: MonitorOptions, beforeStart?: () => Promise<void>): Promise<MonitoredProcess> {
    const process = await this.monitor.launch(options, beforeStart);
    this.#pids.add(process.monitorPid);
    return process;
  }

  exit(id: string): Promise<ExitStatus> {
    const known = this.exits.get(id);
    if (known) return Promise.resolve(known);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  log(options: MonitorOptions): string {
    return readFileSync(options.log?.path ?? '', 'utf8');
  }

  /** Removes a container and its traces; throws when the runtime left something. */
  async remove(options: MonitorOptions): Promise<void> {
    await this.runtime.delete(options.id);
    assert.deepEqual(cgroupFolders(this.cgroups, this.cgroupPath(options.id)).filter((folder) => existsSync(folder)), [], 'cgroups left');
    assert.ok(!existsSync(join(this.layout.runtimeState, options.id)), 'runtime state left');
    await this.monitor.settle(options.bundle);
    this.monitor.forgetExit(this.layout.exits, options.id);
    rmSync(options.bundle, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#alive);
    this.#watch[Symbol.dispose]();
    for (const id of readdirSync(this.layout.runtimeState)) if (!id.startsWith('.')) await this.runtime.delete(id);
    for (const pid of this.#pids) await gone(pid);
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    rmSync(this.#folder, { recursive: true });
    assert.ok(removeCgroup(this.cgroups, cgroupParent(this.layout.instance)), 'the parent cgroup is not empty');
    assert.ok(!mounts.includes(this.#folder), 'mounts left');
  }
}

/** Waits until a pid is no more. */
export async function gone(pid: number): Promise<void> {
  await until(() => !existsSync(`/proc/${pid}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1')), `pid ${pid} to end`);
}

/** Waits for a state, ten seconds at most. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const started = Date.now(); ; ) {
    let met = false;
    try {
      met = await condition();
    } catch (error) {
      if (Date.now() - started > 10_000) throw error;
    }
    if (met) return;
    assert.ok(Date.now() - started < 10_000, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
