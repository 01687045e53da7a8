import { EngineError } from '#base/errors.ts';
import { fetchJson } from '#api/client/transport.ts';
import { fullName, type Reference } from '#spec/reference.ts';
import type { RemoteManifest, RemoteManifestPut } from '#spec/wire/registry.ts';
import type { Cli } from '../command/cli.ts';
import { CliError } from '../command/command.ts';
import { credentialsOf, serverName } from '../login/credentials.ts';
import { shown, shownFamiliar, type ListEntry } from './store.ts';

/** A manifest or index at its registry, asked through the engine: its mirrors, certificates and proxies count. */
export async function fetchManifest(cli: Cli, reference: Reference): Promise<RemoteManifest> {
  const { transport } = await cli.client();
  try {
    return await fetchJson<RemoteManifest>(transport, { method: 'GET', path: pathOf(reference), headers: await authOf(cli, reference) });
  } catch (error) {
    if (error instanceof EngineError && error.code === 'not_found') {
      if (error.message.includes('page not found')) throw new CliError('this engine gives no access to manifests at registries: only Gantry does', 1);
      throw new CliError(`no such manifest: ${shown(reference)}`);
    }
    throw error;
  }
}

export async function sendManifest(cli: Cli, reference: Reference, put: RemoteManifestPut): Promise<string> {
  const { transport } = await cli.client();
  const { Digest } = await fetchJson<{ Digest: string }>(transport, { method: 'PUT', path: pathOf(reference), headers: await authOf(cli, reference), json: put });
  return Digest;
}

const pathOf = (reference: Reference): string => `/gantry/distribution/${shown(reference)}/manifest`;

async function authOf(cli: Cli, reference: Reference): Promise<Record<string, string>> {
  const credentials = await credentialsOf(cli, serverName(fullName(reference)));
  return credentials === undefined ? {} : { 'X-Registry-Auth': Buffer.from(JSON.stringify(credentials)).toString('base64url') };
}

export const isIndex = ({ Descriptor }: Pick<RemoteManifest, 'Descriptor'>): boolean => /index|list/.test(Descriptor.mediaType ?? '');

/** What docker keeps and shows of one manifest. */
export function entryOf(reference: Reference, { Descriptor, Raw }: RemoteManifest): ListEntry {
  const { mediaType = '', digest = '', size = 0, platform } = Descriptor;
  const manifest = JSON.parse(Buffer.from(Raw, 'base64').toString()) as unknown;
  return {
    Ref: shownFamiliar(reference),
    Descriptor: { mediaType, digest, size, ...(platform === undefined ? {} : { platform }) },
    Raw,
    ...(mediaType.includes('.oci.') ? { OCIManifest: manifest } : { SchemaV2Manifest: manifest }),
  };
}
