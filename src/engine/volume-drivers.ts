import { codeOf, messageOf, notFound, wrap } from '#base/errors.ts';
import type { Plugins } from '#host/plugin-client.ts';
import type { DriverVolume, VolumeDriver } from './volume-driver.ts';
import type { LocalVolumes } from './volume-local.ts';
import { openPluginVolumes, pluginDeadlines, type PluginDeadlines, type PluginVolumes } from './volume-plugin.ts';

/** Milliseconds that a listing waits for plugins; those that take longer are told of in its warnings. */
const LISTING_PATIENCE = 3000;

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
      return await openPluginVolumes(await this.#plugins.get(name, 'VolumeDriver'), this.#deadlines);
    } catch (error) {
      throw wrap(error, `error looking up volume plugin ${name}`);
    }
  }

  /** What plugins have, also what was not made through this engine; plugins that do not answer come as warnings. */
  async foreign(): Promise<{ volumes: { driver: PluginVolumes; volume: DriverVolume }[]; warnings: string[] }> {
    const plugins = (await this.#plugins?.list('VolumeDriver', LISTING_PATIENCE)) ?? [];
    const warnings: string[] = [];
    const found = await Promise.all(
      plugins.map(async (plugin) => {
        try {
          const driver = await openPluginVolumes(plugin, { ...this.#deadlines, short: Math.min(this.#deadlines.short, LISTING_PATIENCE) });
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
        const driver = await openPluginVolumes(plugin, { ...this.#deadlines, short: Math.min(this.#deadlines.short, LISTING_PATIENCE) });
        const volume = await driver.look(name);
        if (volume !== undefined) return { driver, volume };
      } catch (error) {
        // A plugin that does not answer has nothing for now.
        if (codeOf(error) !== 'unavailable') throw error;
      }
    }
    return undefined;
  }
}
