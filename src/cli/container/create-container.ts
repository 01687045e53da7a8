import { EngineError } from '#base/errors.ts';
import type { EngineClient } from '#api/client/client.ts';
import type { ContainerCreateRequest } from '#spec/wire/container.ts';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import type { Cli } from '../command/cli.ts';
import { familiarTagged, requireAnyReference } from '../image/reference.ts';

export interface CreateOptions {
  body: ContainerCreateRequest;
  name: string;
  platform: string;
  pull: string;
  quiet: boolean;
  cidfile: string;
}

export function requirePullPolicy(policy: string): void {
  if (['always', 'missing', 'never', ''].includes(policy)) return;
  throw new Error(`invalid pull option: '${policy}': must be one of "always", "missing" or "never"`);
}

/** Creates a container, pulling its image as `--pull` says. Returns its id. */
export async function createContainer(cli: Cli, client: EngineClient, options: CreateOptions): Promise<string> {
  const image = options.body.Image ?? '';
  requireAnyReference(image);
  if (options.platform !== '' && !/^[\w.]+(\/[\w.]+){0,2}$/.test(options.platform)) {
    throw new Error(`error parsing specified platform: ${JSON.stringify(options.platform)}: cannot parse platform specifier: invalid argument`);
  }
  const cidfile = options.cidfile === '' ? undefined : openCidfile(options.cidfile);
  try {
    if (options.pull === 'always') await pull(cli, options);
    const created = await createOrPull(cli, client, image, options);
    for (const warning of created.Warnings ?? []) cli.err.line(`WARNING: ${warning}`);
    cidfile?.keep(created.Id);
    return created.Id;
  } catch (error) {
    cidfile?.drop();
    throw error;
  }
}

async function createOrPull(cli: Cli, client: EngineClient, image: string, options: CreateOptions): Promise<{ Id: string; Warnings: string[] }> {
  const create = (): Promise<{ Id: string; Warnings: string[] }> =>
    client.containers.create(options.body, {
      ...(options.name === '' ? {} : { name: options.name }),
      ...(options.platform === '' ? {} : { platform: options.platform }),
    });
  try {
    return await create();
  } catch (error) {
    const missing = error instanceof EngineError && error.code === 'not_found' && /no such image/i.test(error.message);
    if (!missing || options.pull === 'never' || options.pull === 'always') throw error;
    if (!options.quiet) cli.err.line(`Unable to find image '${familiarTagged(image)}' locally`);
    await pull(cli, options);
    return create();
  }
}

async function pull(cli: Cli, options: CreateOptions): Promise<void> {
  const { pullImage } = await import('../image/pull-image.ts');
  await pullImage(cli, options.body.Image ?? '', { platform: options.platform, output: options.quiet ? undefined : cli.err });
}

/** Claims the file before the container is made, so that two runs cannot share it. */
function openCidfile(path: string): { keep(id: string): void; drop(): void } {
  let fd: number;
  try {
    fd = openSync(path, 'wx', 0o644);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'EEXIST') throw new Error(`container ID file found, make sure the other container isn't running or delete ${path}`, { cause: error });
    throw new Error(`failed to create the container ID file: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return {
    keep: (id) => {
      writeSync(fd, id);
      closeSync(fd);
    },
    drop: () => {
      closeSync(fd);
      unlinkSync(path);
    },
  };
}
