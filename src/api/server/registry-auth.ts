import type { IncomingHttpHeaders } from 'node:http';
import type { RegistryCredentials } from '#spec/wire/registry.ts';

/** `X-Registry-Auth`. What cannot be read counts as none, as in Docker: anonymous access may do. */
export function registryAuth(headers: IncomingHttpHeaders): RegistryCredentials | undefined {
  const parsed = decode(headers['x-registry-auth']);
  return parsed === undefined ? undefined : credentialsFrom(parsed);
}

/** `X-Registry-Config`: credentials by registry, as config.json names them. */
export function registryConfig(headers: IncomingHttpHeaders): Record<string, RegistryCredentials> {
  const found: Record<string, RegistryCredentials> = {};
  for (const [server, value] of Object.entries(decode(headers['x-registry-config']) ?? {})) {
    const credentials = typeof value === 'object' && value !== null ? credentialsFrom(value as Record<string, unknown>) : undefined;
    if (credentials !== undefined) found[server] = credentials;
  }
  return found;
}

/** Only known members, only texts; undefined when there is nothing. */
export function credentialsFrom(source: Readonly<Record<string, unknown>>): RegistryCredentials | undefined {
  const credentials: RegistryCredentials = {};
  for (const key of ['username', 'password', 'auth', 'serveraddress', 'identitytoken', 'registrytoken'] as const) {
    const value = source[key];
    if (typeof value === 'string' && value !== '') credentials[key] = value;
  }
  return Object.keys(credentials).length === 0 ? undefined : credentials;
}

function decode(header: string | string[] | undefined): Record<string, unknown> | undefined {
  if (typeof header !== 'string' || header === '' || header.length > 1 << 20) return undefined;
  try {
    const parsed = JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as unknown;
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
