import type { EventMessage } from '#spec/wire/system.ts';
import { defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { apiTimestamp } from '../command/timestamps.ts';
import { compileTemplate } from '../format/list.ts';
import { localRfc3339 } from '../format/units.ts';
import { execute } from '../template/execute.ts';
import { isDictionary } from '../template/value.ts';

const goNames: Readonly<Record<string, string>> = { Status: 'status', ID: 'id', From: 'from', Scope: 'scope', Time: 'time', TimeNano: 'timeNano' };

export const command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Show what happens in the engine, as it happens',
  flags: {
    filter: flag.filters('Show only what matches (type=container, event=start, label=..., ...)', { short: 'f' }),
    format: flag.text('How to show it: json or a Go template'),
    since: flag.text('Start at this time or this long ago'),
    until: flag.text('End at this time'),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const template = flags.format === '' ? undefined : compileTemplate(flags.format === 'json' ? '{{json .}}' : flags.format.replaceAll('\\t', '\t').replaceAll('\\n', '\n'));
    const now = Date.now();
    const since = flags.since === '' ? undefined : apiTimestamp(flags.since, now);
    const until = flags.until === '' ? undefined : apiTimestamp(flags.until, now);
    const events = await (await cli.client()).system.events({ since, until, filters: flags.filter });
    for await (const event of events) {
      cli.out.line(
        template
          ? execute(template, event, { fallback: (receiver, name) => (isDictionary(receiver) && name in goNames ? { value: receiver[goNames[name] ?? ''] } : undefined), structName: 'events.Message' })
          : eventLine(event),
      );
    }
  },
});

/** `2026-01-02T03:04:05.000000000Z container start <id> (image=busybox, name=x)` */
function eventLine(event: EventMessage): string {
  const attributes = Object.entries(event.Actor?.Attributes ?? {}).map(([key, value]) => `${key}=${value}`).sort();
  const head = [timeOf(event), event.Type ?? '', event.Action ?? '', event.Actor?.ID ?? ''].join(' ');
  return attributes.length > 0 ? `${head} (${attributes.join(', ')})` : head;
}

function timeOf(event: EventMessage): string {
  const nanos = BigInt(event.timeNano ?? BigInt(event.time ?? 0) * 1_000_000_000n);
  const text = localRfc3339(new Date(Number(nanos / 1_000_000_000n) * 1000));
  return `${text.slice(0, 19)}.${(nanos % 1_000_000_000n).toString().padStart(9, '0')}${text.slice(19)}`;
}
