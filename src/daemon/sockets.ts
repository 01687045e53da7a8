import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError, invalid, isErrno, messageOf } from '#base/errors.ts';
import * as kernel from '#host/kernel.ts';
import { AF, bindSocket, bindUnix, connectUnix, inetAddress, listen, setSocketOption, SOCK, socket } from '#host/kernel-socket.ts';
import { setCloseOnExec } from '#host/descriptor.ts';
import type { Address } from './address.ts';
import type { EngineConfig } from './config.ts';

/** A listening descriptor and what it stands for. */
export interface Listening {
  fd: number;
  kind: 'unix' | 'tcp';
  /** `unix:///run/gantry/gantry.sock`, `tcp://127.0.0.1:2376`. */
  shown: string;
}

const [SOL_SOCKET, SO_REUSEADDR] = [1, 2];

/**
 * Binds every address and listens, without accepting. The caller holds the engine's lock, so a unix socket that nobody
 * answers at is a remnant and replaced. Throws `unavailable` when an address is in use; nothing stays bound then.
 */
export function bindAddresses(config: Pick<EngineConfig, 'addresses' | 'group'>): Listening[] {
  const bound: Listening[] = [];
  try {
    for (const address of config.addresses) {
      if (address.kind === 'systemd') throw invalid('fd:// needs sockets that systemd passes on, and there are none');
      bound.push(address.kind === 'unix' ? bindPath(address.path, config.group) : bindTcp(address));
    }
    return bound;
  } catch (error) {
    for (const { fd } of bound) kernel.close(fd);
    throw error;
  }
}

function bindPath(path: string, group: EngineConfig['group']): Listening {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  removeRemnant(path);
  const groupId = findGroup(group);
  const fd = socket(AF.UNIX, SOCK.STREAM);
  // Nobody else may connect in the moment before the mode is set.
  const former = process.umask(0o177);
  try {
    bindUnix(fd, path);
    if (groupId !== undefined) chownSync(path, -1 >>> 0, groupId);
    chmodSync(path, 0o660);
    listen(fd, 4096);
  } catch (error) {
    kernel.close(fd);
    throw new EngineError('unavailable', `cannot listen at ${path}: ${messageOf(error)}`, { cause: error });
  } finally {
    process.umask(former);
  }
  return { fd, kind: 'unix', shown: `unix://${path}` };
}

function removeRemnant(path: string): void {
  if (!existsSync(path)) return;
  const probe = socket(AF.UNIX, SOCK.STREAM | SOCK.NONBLOCK);
  try {
    connectUnix(probe, path);
  } catch (error) {
    if (isErrno(error, 'ECONNREFUSED')) {
      unlinkSync(path);
      return;
    }
    if (isErrno(error, 'ENOENT')) return;
    if (!isErrno(error, 'EAGAIN')) throw new EngineError('unavailable', `${path} is in the way: ${messageOf(error)}`, { cause: error });
  } finally {
    kernel.close(probe);
  }
  throw new EngineError('unavailable', `another program listens at ${path}; stop it, or give another --host`);
}

/** A group's number by name or number; undefined when it need not exist and does not. */
function findGroup({ name, required }: EngineConfig['group']): number | undefined {
  if (name === '') return undefined;
  if (/^\d+$/.test(name)) return Number(name);
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [found, , id] = line.split(':');
    if (found === name && id !== undefined) return Number(id);
  }
  if (required) throw invalid(`the group ${name} does not exist; make it with groupadd, or give another --group`);
  return undefined;
}

function bindTcp({ host, port }: Extract<Address, { kind: 'tcp' }>): Listening {
  const fd = socket(host.includes(':') ? AF.INET6 : AF.INET, SOCK.STREAM);
  const shown = `tcp://${host.includes(':') ? `[${host}]` : host}:${port}`;
  try {
    setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    bindSocket(fd, inetAddress(host, port));
    listen(fd, 4096);
  } catch (error) {
    kernel.close(fd);
    throw new EngineError('unavailable', `cannot listen at ${shown}: ${messageOf(error)}`, { cause: error });
  }
  return { fd, kind: 'tcp', shown };
}

/**
 * The sockets that the keeper (`GANTRY_LISTEN_FDS=17=unix:///...,18=tcp://...`) or systemd (`LISTEN_FDS`, from 3 on) passed
 * on; undefined when neither did. They become close-on-exec, so that no program we start holds them.
 */
export function inheritedSockets(env: NodeJS.ProcessEnv, addresses: readonly Address[]): Listening[] | undefined {
  const ours = env['GANTRY_LISTEN_FDS'];
  if (ours !== undefined) {
    return ours.split(',').map((item) => {
      const at = item.indexOf('=');
      const shown = item.slice(at + 1);
      return keepPrivate({ fd: Number(item.slice(0, at)), kind: shown.startsWith('unix') ? 'unix' : 'tcp', shown });
    });
  }
  const count = Number(env['LISTEN_FDS'] ?? 0);
  if (env['LISTEN_PID'] !== String(process.pid) || count === 0) return undefined;
  const known = addresses.filter((address) => address.kind !== 'systemd');
  return Array.from({ length: count }, (_, index) => {
    const address = known[index];
    const kind = address?.kind ?? 'unix';
    return keepPrivate({ fd: 3 + index, kind, shown: `fd://${3 + index}` });
  });
}

function keepPrivate(listening: Listening): Listening {
  setCloseOnExec(listening.fd);
  return listening;
}

export function formatSockets(sockets: readonly Listening[]): string {
  return sockets.map(({ fd, shown }) => `${fd}=${shown}`).join(',');
}
