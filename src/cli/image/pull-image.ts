import type { EngineClient } from '#api/client/client.ts';
import type { Output } from '../command/io.ts';
import { splitReference } from './reference.ts';
import { showProgress } from './progress.ts';

/** Pulls one image, showing progress on `output`. Throws the engine's error. */
export async function pullImage(client: EngineClient, image: string, options: { platform: string; output: Output | undefined }): Promise<void> {
  const { name, tag, digest } = splitReference(image);
  const messages = await client.images.pull(name, {
    tag: digest ?? tag ?? 'latest',
    ...(options.platform === '' ? {} : { platform: options.platform }),
  });
  await showProgress(messages, options.output);
}
