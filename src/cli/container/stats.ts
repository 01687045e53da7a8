import type { EngineClient } from '#api/client/client.ts';
import type { ContainerStatsResponse } from '#spec/wire/stats.ts';
import type { Cli } from '../command/cli.ts';
import { CliError, defineCommand } from '../command/command.ts';
import { errorText } from '../command/error-text.ts';
import * as flag from '../command/flag.ts';
import { formatList, type ListFormat } from '../format/list.ts';
import { statsHeaders, statsRow, statsTable } from './stats-row.ts';

export const command = defineCommand({
  usage: '[OPTIONS] [CONTAINER...]',
  short: 'Show what containers use, again and again',
  flags: {
    all: flag.bool('Show those that do not run, too', { short: 'a' }),
    format: flag.text('How to show it: table, json, a Go template, or "table TEMPLATE"'),
    'no-stream': flag.bool('Show the first reading only'),
    'no-trunc': flag.bool('Do not shorten anything'),
  },
  args: { min: 0, max: undefined },
  complete: ['running'],
  async run({ cli, flags, args }) {
    const client = await cli.client();
    const list: ListFormat = { format: flags.format || (cli.config.statsFormat ?? ''), table: statsTable, headers: statsHeaders };
    const board = new StatsBoard(client, !flags['no-stream']);
    if (args.length > 0) {
      for (const name of args) board.add(name);
    } else {
      for (const container of await client.containers.list({ all: flags.all })) board.add(container.Id ?? '');
      if (!flags['no-stream']) void board.followEvents(flags.all);
    }
    await board.firstReadings();
    const failures = board.failures(args);
    if (failures.length > 0) throw new CliError(failures.join('\n'));
    const draw = (): string => formatList(list, board.rows(!flags['no-trunc']));
    if (flags['no-stream']) {
      cli.out.write(draw());
      return;
    }
    await repeat(cli, draw);
  },
});

/** Redraws twice a second until interrupted. */
async function repeat(cli: Cli, draw: () => string): Promise<void> {
  for (;;) {
    // To the top, each line cleared to its end, and what was below removed.
    cli.out.write(`\x1b[H${draw().replaceAll('\n', '\x1b[K\n')}\x1b[J`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** The latest reading of each container. */
class StatsBoard {
  readonly #client: EngineClient;
  readonly #stream: boolean;
  readonly #entries = new Map<string, { reading: ContainerStatsResponse | undefined; error: unknown; first: Promise<void> }>();

  constructor(client: EngineClient, stream: boolean) {
    this.#client = client;
    this.#stream = stream;
  }

  add(name: string): void {
    if (this.#entries.has(name)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const entry: { reading: ContainerStatsResponse | undefined; error: unknown; first: Promise<void> } = { reading: undefined, error: undefined, first: promise };
    this.#entries.set(name, entry);
    const collect = async (): Promise<void> => {
      try {
        for await (const reading of await this.#client.containers.stats(name, { stream: this.#stream })) {
          entry.reading = reading;
          resolve();
          if (!this.#stream) break;
        }
      } catch (error) {
        entry.error = error;
      }
      resolve();
    };
    void collect();
    // A container that does not run sends nothing: its row stays empty.
    setTimeout(resolve, 2500).unref();
  }

  async firstReadings(): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => entry.first));
  }

  failures(names: readonly string[]): string[] {
    return names.flatMap((name) => {
      const error = this.#entries.get(name)?.error;
      return error === undefined ? [] : [errorText(error)];
    });
  }

  rows(trunc: boolean) {
    return [...this.#entries].map(([name, entry]) => statsRow(name, entry.reading, trunc));
  }

  /** Takes in containers that start, and lets go of those that end. */
  async followEvents(all: boolean): Promise<void> {
    try {
      for await (const event of await this.#client.system.events({ filters: { type: ['container'] } })) {
        const id = event.Actor?.ID ?? '';
        if (event.Action === 'start' || (all && event.Action === 'create')) this.add(id);
        else if (event.Action === 'destroy' || (!all && event.Action === 'die')) this.#entries.delete(id);
      }
    } catch {
      // The readings themselves tell when the engine is gone.
    }
  }
}
