/** An engine of a test's own, with everything it may leave behind in view. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLayout } from '../src/host/layout.ts';
import { until } from './clients/docker-cli.ts';

export interface TestEngine {
  /** For DOCKER_HOST. */
  readonly url: string;
  readonly socket: string;
  readonly root: string;
  readonly run: string;
  enginePid(): number;
  keeperPid(): number;
  /** Everything outside the data root that carries this engine's mark; empty once its containers are gone and it stopped. */
  traces(): Traces;
  /** Removes the containers, stops engine and keeper, demands that nothing is left and deletes the folders. */
  stop(): Promise<void>;
}

export interface Traces {
  mounts: string[];
  cgroups: string[];
  links: string[];
  tables: string[];
  processes: string[];
}

const source = new URL('../src/', import.meta.url).pathname;

/** Starts keeper and engine on folders of their own; `args` are engine options, `resolvConf` what it takes for the host's resolv.conf; `built` takes what lies in dist, as `npm test` does. */
export async function startEngine(
  options: { args?: readonly string[]; env?: Record<string, string>; built?: boolean; folder?: string; resolvConf?: string } = {},
): Promise<TestEngine> {
  const folder = mkdtempSync(join(options.folder ?? tmpdir(), 'gantry-test-'));
  const root = join(folder, 'root');
  const run = join(folder, 'run');
  const socket = join(run, 'gantry.sock');
  const { instance } = createLayout(root, run);
  const built = options.built ?? process.env['GANTRY_TEST_BUILT'] === '1';
  const command = [process.execPath, built ? join(source, '../dist/keeper.js') : join(source, 'keeper.ts'), '--data-root', root, '--exec-root', run, ...(options.args ?? [])];
  const [program = '', ...words] = options.resolvConf === undefined ? command : [...withResolvConf(folder, options.resolvConf), ...command];
  const child = spawn(program, words, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...(built ? { NODE_COMPILE_CACHE: join(source, '../dist/.cache') } : {}), ...options.env },
  });
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  assert.equal(code, 0, 'the keeper starts');
  const pidOf = (name: string): number => Number(readFileSync(join(run, name), 'utf8'));
  await until(async () => (await ping(socket)) === 200);

  const traces = (): Traces => ({
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((path) => path.startsWith(`${folder}/`)),
    cgroups: cgroupFolders(`gantry-${instance}`),
    links: readdirSync('/sys/class/net').filter((name) => name.includes(instance)),
    tables: execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(instance)),
    processes: processesNaming(folder),
  });

  return {
    url: `unix://${socket}`,
    socket,
    root,
    run,
    enginePid: () => pidOf('engine.pid'),
    keeperPid: () => pidOf('keeper.pid'),
    traces,
    stop: async () => {
      const ids = (await docker(socket, ['ps', '-aq'])).split('\n').filter(Boolean);
      if (ids.length > 0) await docker(socket, ['rm', '-fv', ...ids]);
      const keeper = pidOf('keeper.pid');
      process.kill(keeper, 'SIGTERM');
      await until(async () => !existsSync(`/proc/${keeper}`));
      try {
        await until(async () => Object.values(traces()).every((found: string[]) => found.length === 0), 10_000);
      } catch {
        assert.deepEqual(traces(), { mounts: [], cgroups: [], links: [], tables: [], processes: [] }, 'nothing is left behind');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs a command where /etc/resolv.conf says something else: in a mount namespace of its own. */
function withResolvConf(folder: string, text: string): string[] {
  const path = join(folder, 'resolv.conf');
  writeFileSync(path, text);
  return ['unshare', '--mount', 'sh', '-c', `mount --bind '${path}' /etc/resolv.conf && exec "$@"`, 'sh'];
}

/** Status of GET /_ping; -1 refused, -2 no answer in time. */
export function ping(socket: string, limit = 5000): Promise<number> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    const timer = setTimeout(() => {
      connection.destroy();
      resolve(-2);
    }, limit);
    let text = '';
    const finish = (status: number): void => {
      clearTimeout(timer);
      connection.destroy();
      resolve(status);
    };
    connection.on('connect', () => connection.write('GET /_ping HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n'));
    connection.on('data', (chunk) => {
      text += chunk.toString();
      const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1];
      if (status !== undefined) finish(Number(status));
    });
    connection.on('error', (error: NodeJS.ErrnoException) => finish(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? -1 : -2));
    connection.on('end', () => finish(-2));
  });
}

function docker(socket: string, args: string[]): Promise<string> {
  const child = spawn('docker', ['-H', `unix://${socket}`, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  return new Promise((resolve, reject) => child.on('error', reject).on('close', () => resolve(out)));
}

/** Cgroup folders of this name in every hierarchy. */
function cgroupFolders(name: string): string[] {
  const base = '/sys/fs/cgroup';
  const hierarchies = existsSync(join(base, 'cgroup.controllers')) ? [base] : readdirSync(base).map((entry) => join(base, entry));
  return hierarchies.map((hierarchy) => join(hierarchy, name)).filter((path) => existsSync(path));
}

/** Processes whose command line or program names the folder, without this one's children that are clients. */
function processesNaming(folder: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (command.includes(folder) && !command.startsWith('docker ') && !readlinkSync(`/proc/${pid}/exe`).endsWith('/docker')) found.push(`${pid} ${command}`);
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}
