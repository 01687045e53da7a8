import type { RegistrySearchResult } from '#spec/wire/registry.ts';
import { renderFilters } from '#api/client/filter-values.ts';
import { fetchJson } from '#api/client/transport.ts';
import { defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { formatList } from '../format/list.ts';
import { ellipsis } from '../format/units.ts';
import { credentialsOf, HUB, serverName } from '../login/credentials.ts';
import { Row } from '../template/value.ts';

export const command = defineCommand({
  usage: '[OPTIONS] TERM',
  short: 'Search a registry for images',
  flags: {
    filter: flag.filters('Show only what matches (stars=3, is-official=true)', { short: 'f' }),
    format: flag.text('How to show it: a Go template, or "table TEMPLATE"'),
    limit: flag.int('Show at most so many'),
    'no-trunc': flag.bool('Do not shorten anything'),
  },
  args: { min: 1, max: 1 },
  async run({ cli, flags, args: [term = ''] }) {
    const { transport } = await cli.client();
    const slash = term.indexOf('/');
    const head = slash < 0 ? '' : term.slice(0, slash);
    const server = /[.:]/.test(head) || head === 'localhost' ? serverName(head) : HUB;
    const auth = await credentialsOf(cli, server);
    const found = await fetchJson<RegistrySearchResult[]>(transport, {
      method: 'GET',
      path: '/images/search',
      query: { term, limit: flags.limit === 0 ? undefined : flags.limit, filters: renderFilters(flags.filter) },
      headers: { 'X-Registry-Auth': Buffer.from(JSON.stringify(auth ?? {})).toString('base64url') },
    });
    const rows = found.map(
      (item) =>
        new Row('*formatter.searchContext', {
          Name: () => item.name,
          Description: () => {
            const text = item.description.replaceAll('\n', ' ').replaceAll('\r', ' ');
            return flags['no-trunc'] ? text : ellipsis(text, 45);
          },
          StarCount: () => String(item.star_count),
          IsOfficial: () => (item.is_official ? '[OK]' : ''),
          IsAutomated: () => '',
        }),
    );
    cli.out.write(
      formatList(
        {
          format: flags.format,
          table: '{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}',
          headers: { Name: 'NAME', Description: 'DESCRIPTION', StarCount: 'STARS', IsOfficial: 'OFFICIAL', IsAutomated: 'AUTOMATED' },
        },
        rows,
      ),
    );
  },
});
