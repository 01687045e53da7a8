/** Archives from before Docker 1.10: a folder an image, each naming its parent, and a table of names. */
import { invalid } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { parseReference } from '#spec/reference.ts';
import type { Archive, Member } from './archive-files.ts';
import { isFields, MAX_LAYERS, parseJson } from './documents.ts';
import { recordName } from './image-store.ts';

export interface LegacyImage {
  /** A configuration of today's form, made of the old ones. */
  configBytes: Buffer;
  layers: Member[];
  names: string[];
}

type Fields = Readonly<Record<string, unknown>>;

/** The images that the archive names; its layers must not be compressed, as `docker save` never did. */
export async function readLegacy(archive: Archive): Promise<LegacyImage[]> {
  const table = parseJson(await archive.read(archive.need('repositories'), 'repositories'), 'repositories');
  if (!isFields(table)) throw invalid('invalid repositories: expected an object');
  const names = new Map<string, string[]>();
  for (const [repository, tags] of Object.entries(table)) {
    if (!isFields(tags)) throw invalid('invalid repositories: expected tags by repository');
    for (const [tag, id] of Object.entries(tags)) {
      if (typeof id !== 'string' || !/^[0-9a-f]{64}$/.test(id)) throw invalid('invalid repositories: expected the ids of images');
      names.set(id, [...(names.get(id) ?? []), recordName(parseReference(`${repository}:${tag}`))]);
    }
  }
  return Promise.all([...names].map(async ([id, own]) => ({ ...(await stackOf(archive, id)), names: own })));
}

async function stackOf(archive: Archive, top: string): Promise<Omit<LegacyImage, 'names'>> {
  const steps: { config: Fields; layer: Member }[] = [];
  for (let id: string | undefined = top; id !== undefined; ) {
    if (steps.length >= MAX_LAYERS) throw invalid('invalid image archive: an image has too many layers, or is its own parent');
    const config = parseJson(await archive.read(archive.need(`${id}/json`), 'image configuration'), 'image configuration');
    if (!isFields(config)) throw invalid('invalid image configuration: expected an object');
    steps.unshift({ config, layer: archive.need(`${id}/layer.tar`) });
    const parent: unknown = config['parent'];
    if (parent !== undefined && (typeof parent !== 'string' || !/^[0-9a-f]{64}$/.test(parent))) throw invalid('invalid image configuration: parent is not the id of an image');
    id = parent as string | undefined;
  }
  const { id: _, parent: _p, parent_id: _i, layer_id: _l, throwaway: _t, Size: _s, ...kept } = steps.at(-1)?.config ?? {};
  const config = {
    os: 'linux',
    ...kept,
    rootfs: { type: 'layers', diff_ids: steps.map(({ layer }): Digest => layer.digest) },
    history: steps.map(({ config: { created, author, comment, container_config: made } }) => ({
      ...(typeof created === 'string' ? { created } : {}),
      ...(typeof author === 'string' ? { author } : {}),
      created_by: isFields(made) && Array.isArray(made['Cmd']) ? made['Cmd'].join(' ') : '',
      ...(typeof comment === 'string' ? { comment } : {}),
    })),
  };
  return { configBytes: Buffer.from(JSON.stringify(config)), layers: steps.map(({ layer }) => layer) };
}
