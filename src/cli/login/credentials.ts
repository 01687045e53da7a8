import type { RegistryAuth } from '#api/client/images.ts';
import { fullName, parseReference } from '#spec/reference.ts';
import type { Cli } from '../command/cli.ts';
import { editConfigFile, type StoredAuth } from '../command/config-file.ts';
import { credentialHelper, detectHelper, type CredentialHelper } from './credential-helper.ts';

/** The name under which docker keeps what belongs to Docker Hub. */
export const HUB = 'https://index.docker.io/v1/';

/** What `login` writes for a server: `host[:port]`, without a scheme and a path; the Hub's long name for its short ones. */
export function serverName(given: string): string {
  const host = hostOf(given);
  return host === '' || host === 'docker.io' || host === 'index.docker.io' || host === 'registry-1.docker.io' ? HUB : host;
}

const hostOf = (server: string): string => server.replace(/^https?:\/\//, '').replace(/\/.*$/, '');

/**
 * Credentials for the registry of an image, for X-Registry-Auth; undefined when nothing is stored. Asks the helper that
 * `config.json` names for it.
 */
export async function credentialsFor(cli: Cli, image: string): Promise<RegistryAuth | undefined> {
  return credentialsOf(cli, serverName(fullName(parseReference(image))));
}

/** Credentials by server, as `serverName` gives it. */
export async function credentialsOf(cli: Cli, server: string): Promise<RegistryAuth | undefined> {
  const helper = helperFor(cli, server);
  if (helper !== undefined) {
    const secret = await helper.get(server);
    if (secret !== undefined) return fromSecret(server, secret.Username, secret.Secret);
  }
  return fromFile(cli, server);
}

/** All that is stored, by server, for X-Registry-Config. Helpers of single servers come last and win, as docker's. */
export async function allCredentials(cli: Cli): Promise<Record<string, RegistryAuth>> {
  const found: Record<string, RegistryAuth> = {};
  const { auths = {}, credsStore, credHelpers = {} } = cli.config;
  for (const server of Object.keys(auths)) {
    const stored = fromFile(cli, server);
    if (stored !== undefined) found[server] = stored;
  }
  const general = credsStore === undefined ? undefined : credentialHelper(credsStore);
  for (const server of Object.keys((await general?.list()) ?? {})) {
    const secret = await general?.get(server);
    if (secret !== undefined) found[server] = fromSecret(server, secret.Username, secret.Secret);
  }
  for (const server of Object.keys(credHelpers)) {
    // One helper that fails must not keep the others' servers from being used.
    const stored = await credentialsOf(cli, server).catch(() => undefined);
    if (stored !== undefined) found[server] = stored;
  }
  return found;
}

export async function storeCredentials(cli: Cli, server: string, auth: RegistryAuth): Promise<{ plainText: boolean }> {
  const before = fromFile(cli, server);
  const detected = Object.keys(cli.config.auths ?? {}).length === 0 && cli.config.credsStore === undefined ? detectHelper() : undefined;
  const helper = helperFor(cli, server) ?? (detected === undefined ? undefined : credentialHelper(detected));
  if (helper !== undefined) {
    const Username = auth.identitytoken === undefined ? (auth.username ?? '') : '<token>';
    await helper.store({ ServerURL: server, Username, Secret: auth.identitytoken ?? auth.password ?? '' });
  }
  // What is there already is neither written nor warned of again.
  if (helper === undefined && JSON.stringify(toFile(before ?? {})) === JSON.stringify(toFile(auth))) return { plainText: false };
  editConfigFile(cli.configFolder, (config) => {
    const auths = typeof config['auths'] === 'object' && config['auths'] !== null ? (config['auths'] as Record<string, unknown>) : {};
    // An entry without a secret says that something is stored for the server.
    auths[server] = helper === undefined ? toFile(auth) : {};
    config['auths'] = auths;
    if (detected !== undefined) config['credsStore'] = detected;
  });
  return { plainText: helper === undefined };
}

export async function eraseCredentials(cli: Cli, server: string): Promise<void> {
  await helperFor(cli, server)?.erase(server);
  if (cli.config.auths?.[server] === undefined) return;
  editConfigFile(cli.configFolder, (config) => void delete (config['auths'] as Record<string, unknown>)[server]);
}

function helperFor(cli: Cli, server: string): CredentialHelper | undefined {
  const { credHelpers = {}, credsStore } = cli.config;
  const name = credHelpers[server] ?? credHelpers[hostOf(server)] ?? credsStore;
  return name === undefined || name === '' ? undefined : credentialHelper(name);
}

function fromSecret(server: string, username: string, secret: string): RegistryAuth {
  return username === '<token>' ? { identitytoken: secret, serveraddress: server } : { username, password: secret, serveraddress: server };
}

/** Entries written by old tools are named by URLs. */
function fromFile(cli: Cli, server: string): RegistryAuth | undefined {
  const auths = cli.config.auths ?? {};
  const stored = auths[server] ?? Object.entries(auths).find(([name]) => hostOf(name) === hostOf(server))?.[1];
  if (stored === undefined) return undefined;
  const text = Buffer.from(stored.auth ?? '', 'base64').toString();
  const cut = text.indexOf(':');
  const auth: RegistryAuth = { serveraddress: server };
  if (cut > 0) Object.assign(auth, { username: text.slice(0, cut), password: text.slice(cut + 1).replace(/\0+$/, '') });
  if (stored.identitytoken) auth.identitytoken = stored.identitytoken;
  if (stored.registrytoken) auth.registrytoken = stored.registrytoken;
  return Object.keys(auth).length > 1 ? auth : undefined;
}

function toFile({ username = '', password = '', identitytoken, registrytoken }: RegistryAuth): StoredAuth {
  return {
    ...(username === '' && password === '' ? {} : { auth: Buffer.from(`${username}:${identitytoken === undefined ? password : ''}`).toString('base64') }),
    ...(identitytoken === undefined ? {} : { identitytoken }),
    ...(registrytoken === undefined ? {} : { registrytoken }),
  };
}
