import { codeOf, EngineError, messageOf, notFound, wrap } from '#base/errors.ts';
import type { Plugin, Plugins } from '#host/plugin-client.ts';
import type { DriverVolume, VolumeDriver } from './volume-driver.ts';
import type { LocalVolumes } from './volume-local.ts';
import { openPluginVolumes, pluginDeadlines, type PluginDeadlines, type PluginVolumes } from './volume-plugin.ts';

/** Milliseconds that a listing waits for plugins; those that take longer are told of in its warnings. */
const LISTING_PATIENCE = 3000;

const LOOK_AGAIN = [1000, 2000];

async function within<T>(task: Promise<T>, milliseconds: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new EngineError('unavailable', `a volume plugin did not answer within ${milliseconds} ms`)), milliseconds);
  try {
    return await Promise.race([task, promise]);
  } finally {
    clearTimeout(timer);
  }
}

interface VolumeDriversOptions {
  local: LocalVolumes;
  plugins: Plugins | undefined;
  deadlines?: PluginDeadlines;
}

/** The drivers by name: `local`, and every volume plugin. */
export class VolumeDrivers {
  readonly local: LocalVolumes;
  readonly #plugins: Plugins | undefined;
  readonly #deadlines: PluginDeadlines;
  /** By plugin, which is asked only once what it can. */
  readonly #opened = new WeakMap<Plugin, Promise<PluginVolumes>>();

  constructor({ local, plugins, deadlines = pluginDeadlines }: VolumeDriversOptions) {
    this.local = local;
    this.#plugins = plugins;
    this.#deadlines = deadlines;
  }

  /** not_found: `error looking up volume plugin x: plugin "x" not found`. */
  async get(name: string): Promise<VolumeDriver> {
    if (name === 'local') return this.local;
    try {
      if (this.#plugins === undefined) throw notFound(`plugin ${JSON.stringify(name)} not found`);
      return await this.#open(await this.#find(name, this.#plugins));
    } catch (error) {
      throw wrap(error, `error looking up volume plugin ${name}`);
    }
  }

  #open(plugin: Plugin): Promise<PluginVolumes> {
    const known = this.#opened.get(plugin);
    if (known) return known;
    const opened = openPluginVolumes(plugin, this.#deadlines);
    this.#opened.set(plugin, opened);
    opened.catch(() => this.#opened.delete(plugin));
    return opened;
  }

  /** A plugin may be coming up just now: Docker looks again for fifteen seconds, we for three. */
  async #find(name: string, plugins: Plugins): Promise<Plugin> {
    for (const pause of LOOK_AGAIN) {
      try {
        return await plugins.get(name, 'VolumeDriver');
      } catch (error) {
        if (codeOf(error) !== 'not_found') throw error;
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
    return plugins.get(name, 'VolumeDriver');
  }

  /** What plugins have, also what was not made through this engine; plugins that do not answer come as warnings. */
  async foreign(): Promise<{ volumes: { driver: PluginVolumes; volume: DriverVolume }[]; warnings: string[] }> {
    const plugins = (await this.#plugins?.list('VolumeDriver', LISTING_PATIENCE)) ?? [];
    const warnings: string[] = [];
    const found = await Promise.all(
      plugins.map(async (plugin) => {
        try {
          const driver = await within(this.#open(plugin), LISTING_PATIENCE);
          return (await driver.list(LISTING_PATIENCE)).map((volume) => ({ driver, volume }));
        } catch (error) {
          warnings.push(messageOf(error));
          return [];
        }
      }),
    );
    return { volumes: found.flat(), warnings };
  }

  /** The plugin that has a volume which no record names. */
  async find(name: string): Promise<{ driver: PluginVolumes; volume: DriverVolume } | undefined> {
    for (const plugin of (await this.#plugins?.list('VolumeDriver', LISTING_PATIENCE)) ?? []) {
      try {
        const volume = await within(this.#open(plugin).then((driver) => driver.look(name)), LISTING_PATIENCE);
        const driver = await this.#open(plugin);
        if (volume !== undefined) return { driver, volume };
      } catch (error) {
        // A plugin that does not answer has nothing for now.
        if (codeOf(error) !== 'unavailable') throw error;
      }
    }
    return undefined;
  }
}
