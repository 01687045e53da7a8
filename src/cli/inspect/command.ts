import { EngineError } from '#base/errors.ts';
import { CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { fetchers, fetchRaw, inspectAll, type Fetch } from './inspect.ts';

const types = ['config', 'container', 'image', 'network', 'node', 'plugin', 'secret', 'service', 'task', 'volume'];
const collections: Readonly<Record<string, string>> = { config: 'configs', node: 'nodes', secret: 'secrets', service: 'services', task: 'tasks' };

export const command = defineCommand({
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  short: 'Show all that is known about containers, images, networks and volumes',
  flags: {
    format: flag.text('How to show it: json or a Go template', { short: 'f' }),
    size: flag.bool('Show the sizes of containers', { short: 's' }),
    type: flag.text('Look for this type of thing only', { complete: types }),
  },
  args: { min: 1, max: undefined },
  complete: ['container'],
  async run({ cli, flags, given, args }) {
    if (given.has('type') && !types.includes(flags.type)) {
      const known = types.map((type) => JSON.stringify(type)).join(', ');
      throw new CliError(flags.type === '' ? `type is empty: must be one of ${known}` : `unknown type: ${JSON.stringify(flags.type)}: must be one of ${known}`);
    }
    const client = await cli.client();
    const known: Readonly<Record<string, Fetch>> = {
      container: fetchers.container(client, flags.size),
      image: fetchers.image(client),
      network: fetchers.network(client, false),
      volume: fetchers.volume(client),
      plugin: (name) => fetchRaw(client, `/plugins/${encodeURIComponent(name)}/json`),
      ...Object.fromEntries(Object.entries(collections).map(([type, path]) => [type, (name: string) => fetchRaw(client, `/${path}/${encodeURIComponent(name)}`)])),
    };
    const only = known[flags.type];
    if (only) return inspectAll(cli, args, flags.format, only);
    const order = ['container', 'image', 'network', 'volume'].flatMap((type) => known[type] ?? []);
    return inspectAll(cli, args, flags.format, (name) => first(order, name));
  },
});

async function first(fetches: readonly Fetch[], name: string): Promise<string> {
  for (const fetch of fetches) {
    try {
      return await fetch(name);
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'not_found') throw error;
    }
  }
  throw new Error(`Error: No such object: ${name}`);
}
