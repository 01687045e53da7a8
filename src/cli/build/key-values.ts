import { csvFields } from '../container/options/csv.ts';
import type { NativeOutput, NativeOutputLike } from '#spec/wire/native-build.ts';

/** `type=local,dest=out`: a CSV record of pairs; `bare` takes what has no sign. */
export function keyValues(text: string, bare: (word: string, position: number) => readonly [string, string]): Record<string, string> {
  return Object.fromEntries(csvFields(text).map((field, position) => {
    const cut = field.indexOf('=');
    return cut < 0 ? bare(field, position) : [field.slice(0, cut).trim().toLowerCase(), field.slice(cut + 1)];
  }));
}

export interface ParsedOutput extends NativeOutput {
  /** A file or folder here; `-` is standard output; empty: none. */
  destination: string;
}

const types = ['image', 'local', 'tar', 'oci', 'docker', 'registry', 'cacheonly'] as const;

/** `-o`: a path alone is a folder for the files, `-` their tar. */
export function parseOutput(text: string): ParsedOutput {
  if (text === '-') return { type: 'tar', attributes: {}, destination: '-' };
  if (!text.includes('=')) return { type: 'local', attributes: {}, destination: text };
  const { type: given, dest = '', ...attributes } = keyValues(text, (word) => {
    throw new Error(`invalid value ${word}`);
  });
  if (given === undefined) throw new Error('type is required for output');
  const type = types.find((known) => known === given);
  if (type === undefined) throw new Error(`exporter ${JSON.stringify(given)} could not be found: there are ${types.join(', ')}`);
  const needs = type === 'local' || type === 'tar' || type === 'oci';
  if (needs && dest === '') {
    if (type === 'local') throw new Error('dest is required for local exporter');
    return { type, attributes, destination: '-' };
  }
  // Docker's own format without a place to go is an image to load.
  if (type === 'docker' && dest === '') return { type: 'image', attributes, destination: '' };
  return { type, attributes, destination: dest };
}

/** `--attest type=sbom,...`; `--provenance` and `--sbom` are short for these. */
export function parseAttestation(text: string, type?: string): NativeOutputLike | undefined {
  if (type !== undefined && /^(?:true|1)$/i.test(text)) return { type, attributes: {} };
  if (type !== undefined && /^(?:false|0)$/i.test(text)) return undefined;
  const { type: given, disabled, ...attributes } = keyValues(text, (word) => [word, '']);
  const kind = given ?? type;
  if (kind !== 'sbom' && kind !== 'provenance') throw new Error(`attestation type ${JSON.stringify(kind ?? '')} is not sbom or provenance`);
  return disabled === 'true' ? undefined : { type: kind, attributes };
}

export interface ParsedSecret {
  id: string;
  file: string | undefined;
  env: string | undefined;
}

/** `--secret id=token,src=./file` or `id=token,env=TOKEN`; an id alone is a variable, or a file of that name. */
export function parseSecret(text: string): ParsedSecret {
  const fields = keyValues(text, (word) => {
    throw new Error(`invalid field '${word}' must be a key=value pair`);
  });
  for (const key of Object.keys(fields)) if (!['id', 'type', 'src', 'source', 'env'].includes(key)) throw new Error(`unexpected key '${key}' in '${text}'`);
  const id = fields['id'] ?? '';
  if (id === '') throw new Error('secret must have a id');
  const file = fields['src'] ?? fields['source'];
  const env = fields['env'] ?? (fields['type'] === 'env' ? (file ?? id) : undefined);
  return { id, file: fields['type'] === 'env' ? undefined : file, env };
}
