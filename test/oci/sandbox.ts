/** Runs containers that the compiler made through the real runtime, without conmon or an engine. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '#base/ids.ts';
import { decideContainer, type DecidedContainer } from '#engine/oci/create.ts';
import { dockerDefaults } from '#engine/oci/defaults.ts';
import type { NamespaceChoice, PlannedMount, SpecInput } from '#engine/oci/input.ts';
import { prepareSpec } from '#engine/oci/prepare.ts';
import { renderSpec } from '#engine/oci/render.ts';
import { readHostFacts, type HostFacts } from '#host/facts.ts';
import type { ImageRunConfig } from '#spec/oci-image.ts';
import type { RuntimeSpec } from '#spec/oci-runtime.ts';
import type { ContainerConfig, HostConfig } from '#spec/wire/container.ts';

export const facts: HostFacts = readHostFacts({ rootless: false, cdiDirs: [] });

const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
/** Why these tests cannot run here, or false. */
export const skip =
  process.getuid?.() !== 0 ? 'needs root' : busybox === undefined ? 'needs busybox-static' : spawnSync('crun', ['--version']).status !== 0 ? 'needs crun' : false;

export interface Wishes {
  config?: ContainerConfig;
  hostConfig?: HostConfig;
  image?: ImageRunConfig;
  mounts?: PlannedMount[];
  namespaces?: Partial<SpecInput['namespaces']>;
  facts?: HostFacts;
  change?: (spec: RuntimeSpec) => void;
}

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A folder with a root file system, bundles and the runtime's state; everything goes when it is disposed. */
export class Sandbox {
  readonly folder = mkdtempSync(join(tmpdir(), 'gantry-oci-'));
  readonly rootfs = join(this.folder, 'rootfs');
  readonly state = join(this.folder, 'state');
  readonly #started: string[] = [];
  readonly #children: ChildProcess[] = [];
  readonly #open = new DisposableStack();

  constructor() {
    chmodSync(this.folder, 0o755);
    for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'root', 'home/ann']) mkdirSync(join(this.rootfs, name), { recursive: true });
    copyFileSync(busybox ?? '', join(this.rootfs, 'bin/busybox'));
    chmodSync(join(this.rootfs, 'bin/busybox'), 0o755);
    const applets = 'sh cat ls id env mount sleep touch mkdir echo grep stat readlink true pwd hostname head dd mknod chown ln rm sync wc tail kill ps test';
    for (const applet of applets.split(' ')) symlinkSync('busybox', join(this.rootfs, 'bin', applet));
    this.file('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n1000000:x:0:0::/root:/bin/sh\n');
    this.file('/etc/group', 'root:x:0:\nann:x:1000:\nstaff:x:50:ann\nvideo:x:44:ann,bob\n');
  }

  file(path: string, text: string, mode = 0o644): void {
    writeFileSync(join(this.rootfs, path), text, { mode });
  }

  decide(wishes: Wishes, id = newId()): DecidedContainer {
    return decideContainer({
      id,
      config: { ...wishes.config },
      hostConfig: wishes.hostConfig,
      image: wishes.image ?? {},
      facts: wishes.facts ?? facts,
      defaults: dockerDefaults,
    });
  }

  compile(wishes: Wishes, id = newId()): RuntimeSpec {
    const own: NamespaceChoice = { kind: 'private' };
    const { config, hostConfig } = this.decide(wishes, id);
    const prepared = this.#open.use(prepareSpec({
      id,
      config,
      hostConfig,
      facts: wishes.facts ?? facts,
      defaults: dockerDefaults,
      rootfs: this.rootfs,
      bundle: this.#folderOf(id),
      mounts: wishes.mounts ?? [],
      files: { hosts: undefined, hostname: undefined, resolvConf: undefined },
      namespaces: { network: own, pid: own, ipc: own, uts: own, cgroup: { kind: hostConfig.CgroupnsMode === 'private' ? 'private' : 'host' }, ...wishes.namespaces },
      cgroupsPath: `/gantry-test/${id}`,
      shmSource: undefined,
      consoleSize: undefined,
    }));
    wishes.change?.(prepared.spec);
    return prepared.spec;
  }

  /** Compiles and runs to its end. `script` runs in the container's shell. */
  run(script: string | undefined, wishes: Wishes = {}): Outcome {
    const id = newId();
    const config = script === undefined ? wishes.config : { Cmd: ['sh', '-c', script], ...wishes.config };
    const bundle = this.#bundle(id, this.compile({ ...wishes, ...(config === undefined ? {} : { config }) }, id));
    this.#started.push(id);
    const { status, stdout, stderr } = this.#crun('run', '--bundle', bundle, id);
    this.#crun('delete', '--force', id);
    return { status, stdout, stderr };
  }

  /** Starts a container that stays; returns its id and pid. */
  start(wishes: Wishes = {}): { id: string; pid: number; bundle: string } {
    const id = newId();
    const bundle = this.#bundle(id, this.compile({ ...wishes, config: { Cmd: ['sleep', '1000'], ...wishes.config } }, id));
    this.#started.push(id);
    const child = spawn('crun', ['--root', this.state, 'run', '--bundle', bundle, '--pid-file', join(bundle, 'pid'), id], { stdio: 'ignore' });
    this.#children.push(child);
    for (;;) {
      const state = this.#crun('state', id);
      if (state.status === 0) {
        const parsed = JSON.parse(state.stdout) as { status: string; pid: number };
        if (parsed.status === 'running') return { id, pid: parsed.pid, bundle };
      }
      if (child.exitCode !== null) throw new Error('the container did not start');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }

  exec(id: string, bundle: string, process: unknown): Outcome {
    const file = join(bundle, 'exec.json');
    writeFileSync(file, JSON.stringify(process));
    return this.#crun('exec', '--process', file, id);
  }

  update(id: string, resources: unknown): Outcome {
    const file = join(this.folder, 'resources.json');
    writeFileSync(file, JSON.stringify(resources));
    return this.#crun('update', '--resources', file, id);
  }

  #bundle(id: string, spec: RuntimeSpec): string {
    const bundle = this.#folderOf(id);
    writeFileSync(join(bundle, 'config.json'), renderSpec(spec));
    return bundle;
  }

  #folderOf(id: string): string {
    const bundle = join(this.folder, 'bundles', id);
    mkdirSync(bundle, { recursive: true });
    return bundle;
  }

  #crun(...args: string[]): Outcome {
    const { status, stdout, stderr } = spawnSync('crun', ['--root', this.state, ...args], { encoding: 'utf8', input: '' });
    return { status, stdout, stderr };
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
    for (const id of this.#started) this.#crun('delete', '--force', id);
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
    // The parent cgroup goes when the last container of all tests has gone.
    for (const hierarchy of ['', ...readdirSync('/sys/fs/cgroup')]) {
      try {
        rmdirSync(join('/sys/fs/cgroup', hierarchy, 'gantry-test'));
      } catch {
        continue;
      }
    }
  }
}

/** A planned mount with the usual values. */
export function planned(mount: Partial<PlannedMount> & Pick<PlannedMount, 'type' | 'destination'>): PlannedMount {
  return {
    name: '', driver: '', source: '', subpath: '', mode: '', rw: true, propagation: mount.type === 'bind' ? 'rprivate' : '', recursive: true,
    readonlyDepth: 'if-possible', copyUp: false, createSource: false, tmpfsOptions: [], origin: 'binds', ...mount,
  };
}
