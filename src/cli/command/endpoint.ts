import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultFolders, defaultSocket } from '#base/folders.ts';
import { CliError } from './command.ts';
import type { ConfigFile } from './config-file.ts';
import type { GlobalFlags } from './global-flags.ts';

export interface TlsTexts {
  ca: string | undefined;
  cert: string | undefined;
  key: string | undefined;
  verify: boolean;
}

export interface Endpoint {
  host: string;
  tls: TlsTexts | undefined;
  /** True when nobody named an engine: the machine's own is used, and started when it is down. */
  own: boolean;
}

/** Where the machine's own engine listens. */
export function ownSocket(): string {
  return defaultSocket(defaultFolders({ user: process.geteuid?.() ?? 0, env: process.env }));
}

/** The environment's word on which engine to use; `GANTRY_HOST` goes before `DOCKER_HOST`. */
export const environmentHost = (): string => process.env['GANTRY_HOST'] || process.env['DOCKER_HOST'] || '';

/** The context in force, `default` when a host is named instead. */
export function currentContext(globals: GlobalFlags, config: ConfigFile): string {
  if (globals.context !== '') return globals.context;
  if (globals.host.length > 0 || environmentHost() !== '') return 'default';
  return process.env['DOCKER_CONTEXT'] || config.currentContext || 'default';
}

/** Decides which engine to talk to, in Docker's order: --context, --host, environment, context of the configuration. */
export async function resolveEndpoint(globals: GlobalFlags, folder: string, config: () => ConfigFile): Promise<Endpoint> {
  if (globals.context !== '' && globals.host.length > 0) throw new CliError('conflicting options: cannot specify both --host and --context');
  if (globals.host.length > 1) throw new CliError('Specify only one -H');
  const named = globals.context === '' ? (globals.host[0] ?? environmentHost()) : '';
  if (named !== '') return { host: normalizeHost(named), tls: tlsOf(globals, folder), own: false };
  const context = currentContext(globals, process.env['DOCKER_CONTEXT'] || globals.context ? {} : config());
  if (context !== 'default') {
    const { readContextEndpoint } = await import('../context/store.ts');
    try {
      return { ...readContextEndpoint(folder, context), own: false };
    } catch (error) {
      throw new CliError(`Failed to initialize: unable to resolve docker endpoint: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { host: `unix://${ownSocket()}`, tls: undefined, own: true };
}

/** Docker's short forms of a host: a bare name or port is tcp. */
export function normalizeHost(text: string): string {
  const host = text.trim();
  if (/^(unix|tcp|ssh|http|https|npipe|fd):\/\//.test(host)) {
    if (/^(npipe|fd):/.test(host)) throw new CliError(`unable to resolve docker endpoint: unsupported protocol in ${JSON.stringify(host)}`);
    return host.replace(/^https?:/, 'tcp:').replace(/^(tcp:\/\/[^/:]+)\/?$/, '$1:2375');
  }
  if (host.includes('://')) throw new CliError(`unable to resolve docker endpoint: invalid bind address format: ${host}`);
  return host.startsWith('/') ? `unix://${host}` : `tcp://${/:\d+$/.test(host) ? host : `${host}:2375`}`;
}

function tlsOf(globals: GlobalFlags, folder: string): TlsTexts | undefined {
  const verify = globals.tlsverify || (process.env['DOCKER_TLS_VERIFY'] ?? '') !== '';
  if (!verify && !globals.tls && globals.tlscacert === '' && globals.tlscert === '') return undefined;
  const base = process.env['DOCKER_CERT_PATH'] || folder;
  const read = (chosen: string, name: string): string | undefined => {
    const path = chosen || join(base, name);
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (chosen === '' && (name !== 'ca.pem' || !verify)) return undefined;
      throw new CliError(`unable to resolve docker endpoint: open ${path}: ${error instanceof Error ? error.message.split(':')[0] : String(error)}`);
    }
  };
  return { ca: read(globals.tlscacert, 'ca.pem'), cert: read(globals.tlscert, 'cert.pem'), key: read(globals.tlskey, 'key.pem'), verify };
}
