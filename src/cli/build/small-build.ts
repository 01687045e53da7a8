import { randomBytes } from 'node:crypto';
import type { EngineClient } from '#api/client/client.ts';
import { fromText } from '#spec/tar/header.ts';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';
import type { NativeBuildRequest } from '#spec/wire/native-build.ts';
import { CliError } from '../command/command.ts';

/** A request in which nothing is asked for. */
export const emptyRequest: Omit<NativeBuildRequest, 'ref' | 'context' | 'dockerfile'> = {
  contexts: {}, ignoreText: '', target: '', buildArgs: {}, labels: {}, annotations: [], tags: [], platforms: [], noCache: false, noCacheFilter: [], pull: false, addHosts: [], network: '', shmSize: 0,
  ulimits: [], cgroupParent: '', memory: 0, memorySwap: 0, cpuShares: 0, cpuPeriod: 0, cpuQuota: 0, cpusetCpus: '', cpusetMems: '', secrets: {}, ssh: [], allow: [], outputs: [],
  attestations: [], auth: {}, check: false, name: '',
};

/** Letters and digits, as buildx chooses. */
export const newRef = (): string => [...randomBytes(25)].map((byte) => 'abcdefghijklmnopqrstuvwxyz0123456789'[byte % 36]).join('');

/** Builds from a few files in memory. Returns the image's id. */
export async function buildFiles(client: EngineClient, tag: string, files: Readonly<Record<string, string>>): Promise<string> {
  const parts = Object.entries(files).flatMap(([name, text]) => {
    const content = Buffer.from(text);
    return [tarHeader({ name: fromText(name), type: 'file', mode: 0o644, size: content.length }), content, tarPadding(content.length)];
  });
  const { id } = await client.builds.offerTar((async function* () {
    yield Buffer.concat([...parts, TAR_END]);
  })());
  const request: NativeBuildRequest = { ...emptyRequest, ref: newRef(), name: tag, tags: [tag], context: { kind: 'sent', id }, dockerfile: { path: 'Dockerfile', text: files['Dockerfile'] } };
  for await (const event of await client.builds.build(request)) {
    if (event.type === 'failed') throw new CliError(`The image cannot be built: ${event.message}`);
    if (event.type === 'result') return event.imageId ?? '';
  }
  throw new CliError('The engine ended the build without a result');
}
