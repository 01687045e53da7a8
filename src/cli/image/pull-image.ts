import type { Cli } from '../command/cli.ts';
import type { Output } from '../command/io.ts';
import { credentialsFor } from '../login/credentials.ts';
import { splitReference } from './reference.ts';
import { showProgress } from './progress.ts';

/** Pulls one image, showing progress on `output`. Throws the engine's error. */
export async function pullImage(cli: Cli, image: string, options: { platform: string; all?: boolean; output: Output | undefined }): Promise<void> {
  const client = await cli.client();
  const { name, tag, digest } = splitReference(image);
  const messages = await client.images.pull(name, {
    tag: options.all === true ? undefined : (digest ?? tag ?? 'latest'),
    auth: await credentialsFor(cli, image),
    ...(options.platform === '' ? {} : { platform: options.platform }),
  });
  await showProgress(messages, options.output);
}
