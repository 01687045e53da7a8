/** `--change` of import and commit: single Dockerfile instructions that edit an image's run configuration. */
import { invalid } from '#base/errors.ts';
import { expand } from '#spec/expand/lexer.ts';
import type { ImageRunConfig } from '#spec/oci-image.ts';

const allowed = 'CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|ONBUILD|STOPSIGNAL|USER|VOLUME|WORKDIR';

/** Applies instructions in order; throws invalid_argument with the instruction that cannot be read. */
export function applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig {
  const lines = changes
    .flatMap((change) => change.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  // A new entrypoint takes no command of before, unless the changes themselves gave it one.
  let commanded = false;
  return lines.reduce((before, line) => {
    commanded ||= /^cmd\b/i.test(line);
    const after = applyChange(before, line);
    return /^entrypoint\b/i.test(line) && !commanded ? { ...after, Cmd: undefined } : after;
  }, config);
}

function applyChange(config: ImageRunConfig, line: string): ImageRunConfig {
  const match = /^(\S+)\s*([^]*)$/.exec(line);
  const instruction = (match?.[1] ?? '').toUpperCase();
  const rest = (match?.[2] ?? '').trim();
  if (!new RegExp(`^(?:${allowed})$`).test(instruction)) {
    throw invalid(`${instruction} is not a valid change command`);
  }
  const need = (): string => {
    const many = /^(?:ENV|EXPOSE|LABEL|ONBUILD|VOLUME)$/.test(instruction);
    if (rest === '') throw invalid(`${instruction} requires ${many ? 'at least' : 'exactly'} one argument`);
    return rest;
  };
  const variables = new Map((config.Env ?? []).map((entry) => [entry.split('=', 1)[0] ?? '', entry.slice(entry.indexOf('=') + 1)]));
  /** Without quotes, and with the values of the configuration's own variables. */
  const value = (text: string): string => expand(text, variables, { escape: '\\' }).text;
  switch (instruction) {
    case 'CMD':
      return { ...config, Cmd: commandOf(rest) };
    case 'ENTRYPOINT': {
      const entrypoint = commandOf(rest);
      return entrypoint.length === 0 ? { ...config, Entrypoint: undefined } : { ...config, Entrypoint: entrypoint };
    }
    case 'ENV':
      return { ...config, Env: pairsOf(need(), 'ENV', value).reduce(setVariable, config.Env ?? []) };
    case 'LABEL':
      return { ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairsOf(need(), 'LABEL', value)) } };
    case 'EXPOSE':
      return { ...config, ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(words(need()).map(value).flatMap(portsOf).map((port) => [port, {}])) } };
    case 'VOLUME': {
      const paths = (jsonList(rest) ?? words(need())).map(value);
      if (paths.length === 0 || paths.includes('')) throw invalid('VOLUME specified can not be an empty string');
      return { ...config, Volumes: { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) } };
    }
    case 'USER':
      return { ...config, User: value(need()) };
    case 'WORKDIR':
      return { ...config, WorkingDir: resolveFolder(config.WorkingDir ?? '/', value(need())) };
    case 'STOPSIGNAL':
      if (!/^(?:SIG)?[A-Z0-9+-]+$/i.test(value(need()))) throw invalid(`invalid signal: ${rest}`);
      return { ...config, StopSignal: value(rest) };
    case 'ONBUILD': {
      if (/^(?:ONBUILD)\b/i.test(need())) throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
      if (/^(?:FROM|MAINTAINER)\b/i.test(rest)) throw invalid(`${rest.split(/\s/)[0]?.toUpperCase()} isn't allowed as an ONBUILD trigger`);
      return { ...config, OnBuild: [...(config.OnBuild ?? []), rest] };
    }
    default:
      return { ...config, Healthcheck: healthOf(need()) };
  }
}

/** Exec form is a JSON list of strings; everything else is the shell form. */
function commandOf(text: string): string[] {
  const list = jsonList(text);
  if (list !== undefined) return list;
  return text === '' ? [] : ['/bin/sh', '-c', text];
}

function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) && parsed.every((item) => typeof item === 'string') ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Splits at blanks outside quotes; a backslash takes the next character as it is. Quotes stay. */
function words(text: string): string[] {
  const found: string[] = [];
  let word = '';
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const char = text[index] ?? '';
    if (char === '\\' && quote !== "'" && index + 1 < text.length) word += char + (text[++index] ?? '');
    else if (quote !== '') {
      word += char;
      if (char === quote) quote = '';
    } else if (/\s/.test(char)) {
      if (word !== '') found.push(word);
      word = '';
    } else {
      if (char === '"' || char === "'") quote = char;
      word += char;
    }
  }
  if (word !== '') found.push(word);
  return found;
}

/** `k=v k2="v 2"`, or the old `k v with blanks`. */
function pairsOf(text: string, instruction: string, read: (text: string) => string): [string, string][] {
  const all = words(text);
  const first = all[0] ?? '';
  if (!first.includes('=')) {
    const value = text.slice(first.length).trim();
    if (value === '') throw invalid(`${instruction} must have two arguments`);
    return [[read(first), read(value)]];
  }
  return all.map((word) => {
    const cut = word.indexOf('=');
    if (cut < 0) throw invalid(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    if (cut === 0) throw invalid(`${instruction} names can not be blank`);
    return [read(word.slice(0, cut)), read(word.slice(cut + 1))];
  });
}

function setVariable(env: readonly string[], [name, value]: [string, string]): string[] {
  const entry = `${name}=${value}`;
  const at = env.findIndex((item) => item.split('=', 1)[0] === name);
  return at < 0 ? [...env, entry] : env.with(at, entry);
}

/** `80`, `80/udp`, `8000-8002/tcp`. */
function portsOf(text: string): string[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (!match || from > to || to > 65535) throw invalid(`Invalid containerPort: ${text}`);
  const protocol = (match[3] ?? 'tcp').toLowerCase();
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol}`);
}

function resolveFolder(current: string, given: string): string {
  const parts: string[] = [];
  for (const part of (given.startsWith('/') ? given : `${current}/${given}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

const units: Readonly<Record<string, number>> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6, us: 1e3, µs: 1e3, ns: 1 };

function durationOf(flag: string, text: string): number {
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+$/.test(text)) throw invalid(`time: invalid duration ${JSON.stringify(text)}`);
  let total = 0;
  for (const [, count = '', unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) total += Number(count) * (units[unit] ?? 0);
  if (total !== 0 && total < 1e6) throw invalid(`Interval ${JSON.stringify(flag)} cannot be less than 1ms`);
  return Math.round(total);
}

function healthOf(text: string): NonNullable<ImageRunConfig['Healthcheck']> {
  const health: NonNullable<ImageRunConfig['Healthcheck']> = {};
  let rest = text;
  for (let match; (match = /^--([a-z-]+)=(\S+)\s*([^]*)$/.exec(rest)) !== null; rest = match[3] ?? '') {
    const [, flag = '', value = ''] = match;
    if (flag === 'interval') health.Interval = durationOf(flag, value);
    else if (flag === 'timeout') health.Timeout = durationOf(flag, value);
    else if (flag === 'start-period') health.StartPeriod = durationOf(flag, value);
    else if (flag === 'start-interval') health.StartInterval = durationOf(flag, value);
    else if (flag === 'retries') {
      if (!/^[1-9]\d{0,8}$/.test(value)) throw invalid(`--retries must be at least 1 (not ${value})`);
      health.Retries = Number(value);
    } else throw invalid(`Unknown flag: ${flag}`);
  }
  const type = rest.split(/\s/, 1)[0] ?? '';
  const command = rest.slice(type.length).trim();
  if (type.toUpperCase() === 'NONE') {
    if (command !== '') throw invalid('HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  if (type.toUpperCase() !== 'CMD') throw invalid(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  if (command === '') throw invalid('Missing command after HEALTHCHECK CMD');
  const list = jsonList(command);
  return { ...health, Test: list === undefined ? ['CMD-SHELL', command] : ['CMD', ...list] };
}
