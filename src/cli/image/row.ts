import type { ImageSummary } from '#spec/wire/image.ts';
import type { ListFormat } from '../format/list.ts';
import { ago, goTime, humanSize, shortId } from '../format/units.ts';
import { Row } from '../template/value.ts';
import { familiarName, splitReference } from './reference.ts';

export const imageHeaders: Readonly<Record<string, string>> = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  Containers: 'CONTAINERS',
  VirtualSize: 'SIZE',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
};

const raw = 'repository: {{ .Repository }}\ntag: {{.Tag}}\n';
const rawEnd = 'image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n';

export function imageFormat(options: { format: string; quiet: boolean; digests: boolean }): ListFormat {
  const { format, digests } = options;
  const addDigest = digests && format.startsWith('table ') && !format.includes('{{.Digest}}');
  return {
    format: addDigest ? `${format}\t{{.Digest}}` : format,
    table: `{{.Repository}}\t{{.Tag}}\t${digests ? '{{.Digest}}\t' : ''}{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}`,
    raw: options.quiet ? 'image_id: {{.ID}}' : `${raw}${digests ? 'digest: {{.Digest}}\n' : ''}${rawEnd}`,
    quiet: options.quiet ? '{{.ID}}' : undefined,
    headers: imageHeaders,
  };
}

interface Names {
  repository: string;
  tag: string;
  digest: string;
}

/** The rows of one image: a row for each of its names, with or without its digests. */
export function imageRows(image: ImageSummary, options: { trunc: boolean; digests: boolean; wantsDigest: boolean }): Row[] {
  return namesOf(image, options).map((names) => imageRow(image, names, options.trunc));
}

export function imageRow(image: ImageSummary, names: Names, trunc: boolean): Row {
  const shared = image.SharedSize ?? -1;
  return new Row('*formatter.imageContext', {
    ID: () => (trunc ? shortId(image.Id) : image.Id),
    Repository: () => names.repository,
    Tag: () => names.tag,
    Digest: () => names.digest,
    CreatedSince: () => ago(image.Created),
    CreatedAt: () => goTime(image.Created),
    Size: () => humanSize(image.Size, 3),
    Containers: () => (image.Containers === -1 || image.Containers === undefined ? 'N/A' : String(image.Containers)),
    VirtualSize: () => humanSize(image.Size),
    SharedSize: () => (shared === -1 ? 'N/A' : humanSize(shared)),
    UniqueSize: () => (shared === -1 ? 'N/A' : humanSize(image.Size - shared)),
  });
}

const isNone = (name: string): boolean => name === '<none>:<none>' || name === '<none>@<none>';

/** True for an image without a name. */
export const isDangling = (image: ImageSummary): boolean => [...(image.RepoTags ?? []), ...(image.RepoDigests ?? [])].every(isNone);

function namesOf(image: ImageSummary, options: { digests: boolean; wantsDigest: boolean }): Names[] {
  if (isDangling(image)) return [{ repository: '<none>', tag: '<none>', digest: '<none>' }];
  const digests = new Map<string, string[]>();
  for (const text of (image.RepoDigests ?? []).filter((name) => !isNone(name))) {
    const { name, digest = '' } = splitReference(text);
    const repository = familiarName(name);
    digests.set(repository, [...(digests.get(repository) ?? []), digest]);
  }
  const rows: Names[] = [];
  const tagged = new Set<string>();
  for (const text of (image.RepoTags ?? []).filter((name) => !isNone(name))) {
    const { name, tag = '' } = splitReference(text);
    const repository = familiarName(name);
    tagged.add(repository);
    const shown = options.wantsDigest ? (digests.get(repository) ?? []) : [];
    for (const digest of shown.length > 0 ? shown : ['<none>']) rows.push({ repository, tag, digest });
  }
  for (const [repository, items] of digests) {
    if (tagged.has(repository)) continue;
    for (const digest of options.digests ? items : ['']) rows.push({ repository, tag: '<none>', digest });
  }
  return rows;
}
