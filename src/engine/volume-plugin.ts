/** Volumes of plugins: the client's side of Docker's VolumeDriver protocol. What a plugin answers is believed only as far as it can be checked. */
import { statSync } from 'node:fs';
import { codeOf, EngineError, invalid, messageOf, wrap } from '#base/errors.ts';
import type { CallOptions, Plugin } from '#host/plugin-client.ts';
import type { DriverVolume, VolumeDriver } from './volume-driver.ts';
import type { VolumeRecord } from './volume-store.ts';

/** Milliseconds, Docker's: work on data, and questions. */
export interface PluginDeadlines {
  long: number;
  short: number;
}

export const pluginDeadlines: PluginDeadlines = { long: 120_000, short: 60_000 };

/** A plugin's names need not be ours; they only must not be paths or upset a terminal. */
const NAME = /^[^\s/\0\p{Cc}][^/\0\p{Cc}]{0,254}$/u;

export class PluginVolumes implements VolumeDriver {
  readonly name: string;
  readonly scope: 'local' | 'global';
  readonly #plugin: Plugin;
  readonly #deadlines: PluginDeadlines;

  constructor(plugin: Plugin, scope: 'local' | 'global', deadlines: PluginDeadlines) {
    this.name = plugin.name;
    this.scope = scope;
    this.#plugin = plugin;
    this.#deadlines = deadlines;
  }

  async create(name: string, options: Readonly<Record<string, string>>): Promise<void> {
    await this.#call('Create', { Name: name, Opts: options }, this.#deadlines.long);
  }

  async remove(name: string): Promise<void> {
    await this.#call('Remove', { Name: name }, this.#deadlines.long);
  }

  async mount({ name }: VolumeRecord, user: string): Promise<string> {
    try {
      const { Mountpoint: path } = await this.#call('Mount', { Name: name, ID: user }, this.#deadlines.long);
      return this.#folder(path);
    } catch (error) {
      throw wrap(error, "error while mounting volume ''");
    }
  }

  async unmount({ name }: VolumeRecord, user: string): Promise<void> {
    await this.#call('Unmount', { Name: name, ID: user }, this.#deadlines.short);
  }

  async look(name: string): Promise<DriverVolume | undefined> {
    let answer: Readonly<Record<string, unknown>>;
    try {
      answer = await this.#call('Get', { Name: name }, this.#deadlines.short);
    } catch (error) {
      // The protocol has no other way to say that there is none.
      if (codeOf(error) === 'internal') return undefined;
      throw error;
    }
    if (answer['Volume'] === undefined || answer['Volume'] === null) return undefined;
    const found = volumeOf(answer['Volume']);
    if (found === undefined || found.name !== name) throw new EngineError('unavailable', `VolumeDriver.Get: the plugin was asked for ${name} and answers ${JSON.stringify(answer).slice(0, 200)}`);
    return found;
  }

  /** Every volume that the plugin tells of under a name that can be one. */
  async list(deadline: number): Promise<DriverVolume[]> {
    const { Volumes: told } = await this.#call('List', {}, deadline);
    return Array.isArray(told) ? told.flatMap((item) => volumeOf(item) ?? []) : [];
  }

  #folder(path: unknown): string {
    const lie = (why: string): Error => invalid(`VolumeDriver.Mount: plugin ${JSON.stringify(this.name)} names a mount point that ${why}: ${JSON.stringify(path) ?? 'none'}`);
    if (typeof path !== 'string' || !path.startsWith('/') || path.includes('\0')) throw lie('is no absolute path');
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) throw lie('does not exist');
    if (!stat.isDirectory()) throw lie('is no directory');
    return path;
  }

  #call(method: string, body: unknown, timeout: number): Promise<Readonly<Record<string, unknown>>> {
    const options: CallOptions = { timeout };
    return this.#plugin.call(`VolumeDriver.${method}`, body, options);
  }
}

/** `local` unless the plugin says that its volumes are the whole cluster's. */
export async function openPluginVolumes(plugin: Plugin, deadlines: PluginDeadlines): Promise<PluginVolumes> {
  let scope: 'local' | 'global' = 'local';
  try {
    const { Capabilities: told } = await plugin.call('VolumeDriver.Capabilities', {}, { timeout: deadlines.short });
    if (isObject(told) && told['Scope'] === 'global') scope = 'global';
  } catch (error) {
    // Older plugins do not know the question.
    if (codeOf(error) !== 'internal') throw new EngineError(codeOf(error), messageOf(error), { cause: error });
  }
  return new PluginVolumes(plugin, scope, deadlines);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function volumeOf(value: unknown): DriverVolume | undefined {
  if (!isObject(value) || typeof value['Name'] !== 'string' || !NAME.test(value['Name'])) return undefined;
  const { Name: name, Mountpoint: place, CreatedAt: created, Status: status } = value;
  return {
    name,
    mountpoint: typeof place === 'string' && place.startsWith('/') ? place : '',
    createdAt: typeof created === 'string' && !Number.isNaN(Date.parse(created)) ? created : undefined,
    status: isObject(status) ? (status as Record<string, Record<string, unknown>>) : undefined,
  };
}
