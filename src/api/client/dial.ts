import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { EngineError, invalid } from '#base/errors.ts';

/** PEM texts. `verify: false` accepts any server certificate. */
export interface TlsFiles {
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  serverName?: string | undefined;
  verify?: boolean | undefined;
}

export interface Dialer {
  /** What goes into the Host header. */
  readonly authority: string;
  dial(): Promise<Duplex>;
}

/** Reads an engine's address; nothing connects yet. Throws invalid_argument for a scheme that is not known. */
export function createDialer(host: string, tls: TlsFiles | undefined): Dialer {
  const cut = host.indexOf('://');
  const scheme = cut < 0 ? '' : host.slice(0, cut);
  const address = host.slice(cut + 3);
  switch (scheme) {
    case 'unix':
      return { authority: 'api.moby.localhost', dial: () => opened(host, connect({ path: address, allowHalfOpen: true })) };
    case 'tcp':
    case 'http':
    case 'https':
      return tcpDialer(host, address, scheme === 'https' ? (tls ?? {}) : tls);
    case 'ssh':
      return { authority: 'api.moby.localhost', dial: async () => (await import('./ssh.ts')).dialSsh(host) };
    default:
      throw invalid(`unable to parse docker host \`${host}\`: expected unix://, tcp://, http://, https:// or ssh://`);
  }
}

function tcpDialer(host: string, address: string, tls: TlsFiles | undefined): Dialer {
  const url = URL.parse(`http://${address}`);
  if (url === null) throw invalid(`invalid bind address format: ${host}`);
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (tls === undefined ? 2375 : 2376) : Number(url.port);
  return {
    authority: url.host,
    dial: async () => {
      const socket = connect({ host: hostname, port, allowHalfOpen: true });
      socket.setNoDelay(true);
      if (tls === undefined) return opened(host, socket);
      const { checkServerIdentity, connect: connectTls } = await import('node:tls');
      const serverName = tls.serverName ?? (/^[\d.]+$|:/.test(hostname) ? undefined : hostname);
      const secured = connectTls({
        socket,
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        ...(tls.cert === undefined ? {} : { cert: tls.cert }),
        ...(tls.key === undefined ? {} : { key: tls.key }),
        rejectUnauthorized: tls.verify !== false,
        ...(serverName === undefined ? {} : { servername: serverName }),
        // An address is checked against the certificate's addresses, which needs the name given here.
        checkServerIdentity: (_, certificate) => checkServerIdentity(serverName ?? hostname, certificate),
      });
      return opened(host, secured, 'secureConnect');
    },
  };
}

function opened<T extends Duplex>(host: string, socket: T, event = 'connect'): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(cannotConnect(host, error));
    socket.once('error', fail);
    socket.once(event, () => {
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

/** `details.cannotConnect` tells this apart from an engine that answered 503. */
export function cannotConnect(host: string, cause: NodeJS.ErrnoException): EngineError {
  const message =
    cause.code === 'EACCES' || cause.code === 'EPERM'
      ? `permission denied while trying to connect to the Docker daemon socket at ${host}`
      : cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED'
        ? `Cannot connect to the Docker daemon at ${host}. Is the docker daemon running?`
        : `error during connect to ${host}: ${cause.message}`;
  return new EngineError('unavailable', message, { cause, details: { cannotConnect: true, errno: cause.code } });
}
