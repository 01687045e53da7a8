import { invalid } from '#base/errors.ts';
import type { AddressPoolOption, Option, RuntimeOption, UlimitOption } from './options.ts';

/** Checks a value of daemon.json against its option; `where` names the key and the file. */
export function valueFromFile(option: Option, value: unknown, where: string): unknown {
  switch (option.kind) {
    case 'string':
      // dockerd takes plain numbers where a size is meant.
      if (typeof value === 'number') return String(value);
      if (typeof value !== 'string') throw invalid(`${where} must be a string`);
      return value;
    case 'boolean':
      if (typeof value !== 'boolean') throw invalid(`${where} must be true or false`);
      return value;
    case 'integer':
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw invalid(`${where} must be a whole number`);
      return value;
    case 'list':
      if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw invalid(`${where} must be a list of strings`);
      return value;
    case 'map':
      return Object.fromEntries(
        Object.entries(objectAt(value, where)).map(([name, item]) => {
          if (typeof item !== 'string' && typeof item !== 'boolean') throw invalid(`${where}.${name} must be a string`);
          return [name, String(item)];
        }),
      );
    case 'pools':
      if (!Array.isArray(value)) throw invalid(`${where} must be a list of {"base": ..., "size": ...}`);
      return value.map((item, index) => poolAt(item, `${where}[${index}]`));
    case 'ulimits':
      return Object.fromEntries(Object.entries(objectAt(value, where)).map(([name, item]) => [name, ulimitAt(name, item, `${where}.${name}`)]));
    case 'runtimes':
      return Object.fromEntries(Object.entries(objectAt(value, where)).map(([name, item]) => [name, runtimeAt(item, `${where}.${name}`)]));
    case 'object':
      return objectAt(value, where);
  }
}

/** Joins the texts of one flag, in order of appearance. */
export function valueFromFlag(option: Option, texts: readonly string[], flag: string): unknown {
  const last = texts.at(-1) ?? '';
  switch (option.kind) {
    case 'string':
      return last;
    case 'boolean':
      if (!/^(?:true|false|1|0|t|f)$/i.test(last)) throw invalid(`invalid value ${JSON.stringify(last)} for ${flag}: it is true or false`);
      return /^(?:true|1|t)$/i.test(last);
    case 'integer': {
      const number = Number(last);
      if (last.trim() === '' || !Number.isSafeInteger(number)) throw invalid(`invalid value ${JSON.stringify(last)} for ${flag}: it is a whole number`);
      return number;
    }
    case 'list':
      return [...texts];
    case 'map':
      return Object.fromEntries(texts.map((item) => keyAndValue(item, flag)));
    case 'pools':
      return texts.map((item) => {
        const fields = Object.fromEntries(item.split(',').map((part) => keyAndValue(part, flag)));
        return poolAt({ base: fields['base'], size: Number(fields['size']) }, flag);
      });
    case 'ulimits':
      return Object.fromEntries(
        texts.map((item) => {
          const [name, limits] = keyAndValue(item, flag);
          const [soft, hard = soft] = limits.split(':').map(Number);
          return [name, ulimitAt(name, { Name: name, Soft: soft, Hard: hard }, flag)];
        }),
      );
    case 'runtimes':
      return Object.fromEntries(
        texts.map((item) => {
          const [name, path] = keyAndValue(item, flag);
          return [name, { path } satisfies RuntimeOption];
        }),
      );
    case 'object':
      throw invalid(`${flag} can only be set in the configuration file`);
  }
}

function keyAndValue(item: string, flag: string): [string, string] {
  const at = item.indexOf('=');
  if (at <= 0) throw invalid(`invalid value ${JSON.stringify(item)} for ${flag}: it is key=value`);
  return [item.slice(0, at), item.slice(at + 1)];
}

function objectAt(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${where} must be an object`);
  return { ...value };
}

function poolAt(value: unknown, where: string): AddressPoolOption {
  const { base, size } = objectAt(value, where);
  if (typeof base !== 'string' || !base.includes('/')) throw invalid(`${where}.base must be a subnet such as 10.10.0.0/16`);
  const longest = base.includes(':') ? 126 : 30;
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 8 || size > longest) throw invalid(`${where}.size must be a prefix length from 8 to ${longest}`);
  return { base, size };
}

function ulimitAt(name: string, value: unknown, where: string): UlimitOption {
  const { Soft, Hard } = objectAt(value, where);
  for (const limit of [Soft, Hard]) {
    if (typeof limit !== 'number' || !Number.isSafeInteger(limit) || limit < -1) throw invalid(`${where}: the soft and hard limits must be whole numbers`);
  }
  if (Number(Hard) !== -1 && Number(Soft) > Number(Hard)) throw invalid(`${where}: the soft limit must not exceed the hard limit`);
  return { Name: name, Soft: Number(Soft), Hard: Number(Hard) };
}

function runtimeAt(value: unknown, where: string): RuntimeOption {
  const { path, runtimeArgs = [], runtimeType, options } = objectAt(value, where);
  if (runtimeType !== undefined || options !== undefined) throw invalid(`${where}: runtimes are given by path; runtimeType and options belong to containerd`);
  if (typeof path !== 'string' || path === '') throw invalid(`${where}.path must name the runtime's program`);
  if (!Array.isArray(runtimeArgs) || !runtimeArgs.every((item) => typeof item === 'string')) throw invalid(`${where}.runtimeArgs must be a list of strings`);
  if (runtimeArgs.length > 0) throw invalid(`${where}.runtimeArgs is refused: let path name a script that adds them`);
  return { path };
}
