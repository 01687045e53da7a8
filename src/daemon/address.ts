import { isIP } from 'node:net';
import { invalid } from '#base/errors.ts';
import type { Settings } from '#spec/daemon/options.ts';

/** Where the engine listens. `fd`: sockets that systemd passes on (`fd://`). */
export type Address = { kind: 'unix'; path: string } | { kind: 'tcp'; host: string; port: number } | { kind: 'systemd' };

export interface TlsFiles {
  /** Demand a certificate of the client that the authority signed. */
  verify: boolean;
  ca: string;
  cert: string;
  key: string;
}

/** Reads one `hosts` entry. An empty host or port takes Docker's defaults (127.0.0.1, 2375 or 2376 with TLS). */
export function parseAddress(text: string, defaults: { tls: boolean; socket: string }): Address {
  const at = text.indexOf('://');
  const scheme = at < 0 ? 'tcp' : text.slice(0, at);
  const rest = at < 0 ? text : text.slice(at + 3);
  switch (scheme) {
    case 'unix': {
      const path = rest === '' ? defaults.socket : rest;
      if (!path.startsWith('/')) throw invalid(`invalid host ${text}: a unix socket needs an absolute path`);
      return { kind: 'unix', path };
    }
    case 'fd':
      return { kind: 'systemd' };
    case 'tcp': {
      const match = /^(?:\[([^\]]*)\]|([^:/]*))?(?::(\d*))?\/?$/.exec(rest);
      if (match === null) throw invalid(`invalid host ${text}: it is tcp://ADDRESS:PORT`);
      const name = match[1] ?? match[2] ?? '';
      const host = name === '' || name === 'localhost' ? '127.0.0.1' : name;
      if (isIP(host) === 0) throw invalid(`invalid host ${text}: ${JSON.stringify(host)} is not an IP address`);
      const port = match[3] === undefined || match[3] === '' ? (defaults.tls ? 2376 : 2375) : Number(match[3]);
      if (port > 65535) throw invalid(`invalid host ${text}: ${port} is not a port`);
      return { kind: 'tcp', host, port };
    }
    default:
      throw invalid(`invalid host ${text}: it starts with unix://, tcp:// or fd://`);
  }
}

/** `tls` or `tlsverify` turn TLS on; files default to `ca.pem`, `cert.pem` and `key.pem` of the certificates folder. */
export function tlsFrom(settings: Settings, folder: string): TlsFiles | undefined {
  if (settings.tls !== true && settings.tlsverify !== true) return undefined;
  return {
    verify: settings.tlsverify === true,
    ca: settings.tlscacert ?? `${folder}/ca.pem`,
    cert: settings.tlscert ?? `${folder}/cert.pem`,
    key: settings.tlskey ?? `${folder}/key.pem`,
  };
}
