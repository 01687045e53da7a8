import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '#base/log.ts';
import { openDatabase } from '#host/database.ts';
import { createLayout, type Layout } from '#host/layout.ts';
import { openPlugins } from '#host/plugin-client.ts';
import { kernelMounts } from '#host/mount.ts';
import { createNetworks, type NetworkRoom } from '#network/networks.ts';
import type { NetworkConfig } from '#network/options.ts';
import { networkMigrations } from '#network/store.ts';
import type { EngineEvent } from '#spec/event.ts';
import { asContainerId, type ContainerId } from '#spec/ids.ts';

/** Why these tests cannot run here, or false. */
export const skip = process.getuid?.() === 0 ? false : 'needs root: makes network namespaces, bridges and firewall rules';

export const newContainer = (): ContainerId => asContainerId(randomBytes(32).toString('hex'));

type Request = Parameters<NetworkRoom['sandboxes']['up']>[0];

/** A network room on a folder of its own, with its own bridge and table; `restart` is what a killed engine's successor sees. */
export class NetworkRig {
  readonly layout: Layout;
  readonly events: EngineEvent[] = [];
  readonly attached = new Map<ContainerId, { name: string; mode: string; networks: Set<string>; hosts?: string }>();
  readonly #folder: string;
  readonly #processes: ChildProcess[] = [];
  readonly #config: NetworkConfig;
  #open: { room: NetworkRoom; close: () => Promise<void> };

  constructor(config: NetworkConfig = {}, folder = mkdtempSync(join(tmpdir(), 'network-'))) {
    this.#folder = folder;
    this.layout = createLayout(join(this.#folder, 'root'), join(this.#folder, 'run'));
    mkdirSync(this.layout.root, { recursive: true });
    mkdirSync(this.layout.run, { recursive: true });
    // Suites run side by side: each takes its subnets from a range of its own.
    const range = parseInt(this.layout.instance.slice(0, 2), 16);
    this.#config = { defaultAddressPools: [{ base: `10.${range}.0.0/16`, size: 24 }], ...config };
    this.#open = this.#start();
  }

  get room(): NetworkRoom {
    return this.#open.room;
  }

  get folder(): string {
    return this.#folder;
  }

  get bridge(): string {
    return `gtr${this.layout.instance}`;
  }

  async begin(): Promise<void> {
    if (skip === false) await this.room.sandboxes.recover(new Set());
  }

  async restart(live: Iterable<ContainerId>): Promise<void> {
    await this.#open.close();
    this.#open = this.#start();
    await this.room.sandboxes.recover(new Set(live));
  }

  async up(changes: Partial<Request> = {}) {
    const container = changes.container ?? newContainer();
    const attached = { name: `c-${container.slice(0, 6)}`, mode: 'bridge', networks: new Set((changes.endpoints ?? [{ network: 'bridge' }]).map(({ network }) => network)), hosts: '' };
    this.attached.set(container, attached);
    const sandbox = await this.room.sandboxes.up({
      container, name: `c-${container.slice(0, 6)}`, hostname: container.slice(0, 12), domainname: '', extraHosts: [], dns: [], dnsSearch: [], dnsOptions: [],
      endpoints: [{ network: 'bridge', settings: {} }], ports: {}, exposed: [], linked: [], ...changes,
    });
    attached.hosts = sandbox.hosts;
    return sandbox;
  }

  /** A web server that answers every path with `body`, inside the namespace. */
  async serve(netnsPath: string, port: number, body: string, address = '0.0.0.0'): Promise<ChildProcess> {
    return this.#run(netnsPath, `require('node:http').createServer((q, s) => s.end(${JSON.stringify(body)} + ' ' + q.socket.remoteAddress)).listen(${port}, ${JSON.stringify(address)}, () => console.log('up'))`);
  }

  /** Answers every UDP packet with `body`, inside the namespace. */
  async echo(netnsPath: string, port: number, body: string): Promise<ChildProcess> {
    return this.#run(
      netnsPath,
      `const s = require('node:dgram').createSocket('udp4'); s.on('message', (_, from) => s.send(${JSON.stringify(body)}, from.port, from.address)); s.bind(${port}, () => console.log('up'))`,
    );
  }

  async #run(netnsPath: string, script: string): Promise<ChildProcess> {
    const server = spawn('nsenter', [`--net=${netnsPath}`, process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#processes.push(server);
    await new Promise((resolve, reject) => {
      server.stdout.once('data', resolve);
      server.once('exit', () => reject(new Error('the server ended')));
    });
    return server;
  }

  /** Runs a command inside the namespace. */
  inside(netnsPath: string, ...command: string[]): { status: number | null; output: string } {
    const result = spawnSync('nsenter', [`--net=${netnsPath}`, ...command], { encoding: 'utf8', timeout: 10_000 });
    return { status: result.status, output: result.stdout + result.stderr };
  }

  get(netnsPath: string, url: string): { status: number | null; output: string } {
    return this.inside(netnsPath, 'busybox', 'timeout', '2', 'busybox', 'wget', '-q', '-O', '-', url);
  }

  /** Like `get` while this process goes on, for servers that live in it. Undefined when there was no answer. */
  async getLater(netnsPath: string, url: string): Promise<string | undefined> {
    const child = spawn('nsenter', [`--net=${netnsPath}`, 'busybox', 'timeout', '2', 'busybox', 'wget', '-q', '-O', '-', url], { stdio: ['ignore', 'pipe', 'ignore'] });
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    const status = await new Promise((resolve) => child.once('close', resolve));
    return status === 0 ? output : undefined;
  }

  async stop(process: ChildProcess): Promise<void> {
    if (process.exitCode !== null || process.signalCode !== null) return;
    const gone = new Promise((resolve) => process.once('exit', resolve));
    process.kill('SIGKILL');
    await gone;
  }

  /** Removes everything and returns what is left: nothing, when all is well. */
  async finish(): Promise<string[]> {
    if (skip !== false) {
      await this.#open.close();
      rmSync(this.#folder, { recursive: true, force: true });
      return [];
    }
    for (const process of this.#processes) await this.stop(process);
    for (const container of this.attached.keys()) await this.room.sandboxes.down(container);
    await this.room.removeAll();
    await this.#open.close();
    const left = this.traces();
    rmSync(this.#folder, { recursive: true, force: true });
    return left;
  }

  /** Mounts, links, tables and rules that carry our names. */
  traces(): string[] {
    const run = (command: string, ...args: string[]): string[] => spawnSync(command, args, { encoding: 'utf8' }).stdout.split('\n');
    return [
      ...kernelMounts.list(this.#folder).map(({ target }) => target),
      ...run('ip', '-br', 'link').filter((line) => line.includes(this.layout.instance)),
      ...run('nft', 'list', 'ruleset').filter((line) => line.includes(this.layout.instance)),
    ];
  }

  #start(): { room: NetworkRoom; close: () => Promise<void> } {
    const db = openDatabase(this.layout.database, networkMigrations);
    const room = createNetworks({
      layout: this.layout, db, config: this.#config, plugins: openPlugins({ folders: { sockets: [join(this.layout.run, 'plugins')], specs: [] } }),
      log: createLog({ level: 'warn', format: 'text', write: (line) => console.error(line) }),
      emit: (event) => void this.events.push(event),
      containers: {
        find: (name) => {
          const found = [...this.attached].find(([id, { name: own }]) => id === name || own === name);
          if (found === undefined) throw new Error(`No such container: ${name}`);
          return { id: found[0], name: found[1].name, mode: found[1].mode };
        },
        nameOf: (id) => this.attached.get(id)?.name,
        networksOf: (id) => [...(this.attached.get(id)?.networks ?? [])],
        connected: (id, network, _settings, files) => {
          const container = this.attached.get(id);
          container?.networks.add(network);
          if (container && files !== undefined) container.hosts = files.hosts(container.hosts ?? '');
        },
        disconnected: (id, network) => void this.attached.get(id)?.networks.delete(network),
      },
    });
    return {
      room,
      close: async () => {
        await room.close();
        db.close();
      },
    };
  }
}
