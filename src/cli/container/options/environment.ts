import { readFileSync } from 'node:fs';
import { cutPair } from './csv.ts';

/** Reads a file of `KEY=value` lines. `lookup` supplies values of keys that stand alone; those it lacks are left out. */
export function readPairsFile(path: string, kind: 'env' | 'label', lookup: (key: string) => string | undefined): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`open ${path}: ${systemMessage(error)}`, { cause: error });
  }
  const lines: string[] = [];
  for (const raw of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const [key, value] = cutPair(line);
    const refuse = (why: string): never => {
      throw new Error(kind === 'env' ? `invalid env file (${path}): ${why}` : `invalid label file (${path}): ${why}`);
    };
    if (/\s/.test(key)) refuse(`variable '${key}' contains whitespaces`);
    if (key === '') refuse(`no variable name on line '${line}'`);
    if (value !== undefined) lines.push(line);
    else {
      const found = lookup(key);
      if (found !== undefined) lines.push(`${key}=${found}`);
    }
  }
  return lines;
}

/** The reason of a failed system call in Go's words. */
export function systemMessage(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'no such file or directory', EACCES: 'permission denied', EISDIR: 'is a directory', ENOTDIR: 'not a directory', EEXIST: 'file exists',
  };
  return words[code] ?? (error instanceof Error ? error.message : String(error));
}

/** `-e KEY` takes the value of our own environment when there is one. */
export function environmentItem(item: string): string {
  const [key, value] = cutPair(item);
  if (key === '') throw new Error(`invalid environment variable: ${item}`);
  const own = value === undefined ? process.env[key] : undefined;
  return own === undefined ? item : `${key}=${own}`;
}

export function labelItem(item: string): string {
  if (cutPair(item)[0].trim() === '') throw new Error(`invalid label '${item}': empty name`);
  return item;
}
