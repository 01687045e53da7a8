import { readFileSync } from 'node:fs';
import { systemMessage } from './environment.ts';

export interface SecurityOptions {
  options: string[];
  /** Set to empty lists by `systempaths=unconfined`. */
  maskedPaths: string[] | undefined;
  readonlyPaths: string[] | undefined;
}

/** Reads `--security-opt`; a seccomp profile's file is read here and its content sent. */
export function parseSecurityOptions(items: readonly string[]): SecurityOptions {
  const result: SecurityOptions = { options: [], maskedPaths: undefined, readonlyPaths: undefined };
  for (const item of items) {
    if (item === 'systempaths=unconfined') {
      result.maskedPaths = [];
      result.readonlyPaths = [];
      continue;
    }
    const sign = item.includes('=') ? '=' : ':';
    const at = item.indexOf(sign);
    const key = at < 0 ? item : item.slice(0, at);
    const value = at < 0 ? '' : item.slice(at + 1);
    if (value === '' && key !== 'no-new-privileges') throw new Error(`Invalid --security-opt: ${JSON.stringify(item)}`);
    result.options.push(key === 'seccomp' && !['builtin', 'unconfined'].includes(value) ? `seccomp=${profile(value)}` : item);
  }
  return result;
}

function profile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`opening seccomp profile (${path}) failed: open ${path}: ${systemMessage(error)}`, { cause: error });
  }
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (error) {
    throw new Error(`compacting json for seccomp profile (${path}) failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Capabilities in upper case with their CAP_, sorted, each once. */
export function normalizeCapabilities(items: readonly string[]): string[] {
  const names = items.map((item) => item.trim().toUpperCase());
  return [...new Set(names.map((name) => (name === 'ALL' || name === 'RESET' || name.startsWith('CAP_') ? name : `CAP_${name}`)))].sort();
}
