import { EngineError } from '#base/errors.ts';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import { forEachName } from '../command/each.ts';
import { errorText } from '../command/error-text.ts';
import * as flag from '../command/flag.ts';

const many = { min: 1, max: undefined } as const;
const signal = flag.text('Signal to send', { short: 's', complete: ['SIGTERM', 'SIGKILL', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] });
const timeout = flag.int('Seconds to wait before killing; -1 waits for ever', { short: 't' });
const time = flag.int('Seconds to wait before killing', { hidden: true });

export const stop: Command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Stop running containers',
  flags: { signal, timeout, time },
  args: many,
  complete: ['running'],
  async run({ cli, flags, given, args }) {
    const client = await cli.client();
    await forEachName(cli, args, async (name) => {
      await client.containers.stop(name, stopOptions(flags, given));
      return name;
    });
  },
});

export const restart: Command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Restart containers',
  flags: { signal, timeout, time },
  args: many,
  complete: ['container'],
  async run({ cli, flags, given, args }) {
    const client = await cli.client();
    await forEachName(cli, args, async (name) => {
      await client.containers.restart(name, stopOptions(flags, given));
      return name;
    });
  },
});

function stopOptions(flags: { signal: string; timeout: number; time: number }, given: ReadonlySet<string>): { signal?: string; timeout?: number } {
  if (given.has('timeout') && given.has('time')) throw new CliError('conflicting options: cannot specify both --timeout and --time');
  const seconds = given.has('timeout') ? flags.timeout : given.has('time') ? flags.time : undefined;
  return { ...(flags.signal === '' ? {} : { signal: flags.signal }), ...(seconds === undefined ? {} : { timeout: seconds }) };
}

export const kill: Command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Send a signal to running containers, SIGKILL unless told otherwise',
  flags: { signal },
  args: many,
  complete: ['running'],
  async run({ cli, flags, args }) {
    const client = await cli.client();
    await forEachName(cli, args, async (name) => {
      await client.containers.kill(name, flags.signal === '' ? undefined : flags.signal);
      return name;
    });
  },
});

export const pause: Command = defineCommand({
  usage: 'CONTAINER [CONTAINER...]',
  short: 'Freeze all processes of containers',
  flags: {},
  args: many,
  complete: ['running'],
  async run({ cli, args }) {
    const client = await cli.client();
    await forEachName(cli, args, async (name) => {
      await client.containers.pause(name);
      return name;
    });
  },
});

export const unpause: Command = defineCommand({
  usage: 'CONTAINER [CONTAINER...]',
  short: 'Let frozen containers go on',
  flags: {},
  args: many,
  complete: ['paused'],
  async run({ cli, args }) {
    const client = await cli.client();
    await forEachName(cli, args, async (name) => {
      await client.containers.unpause(name);
      return name;
    });
  },
});

export const wait: Command = defineCommand({
  usage: 'CONTAINER [CONTAINER...]',
  short: 'Wait until containers stop, then print their exit codes',
  flags: {},
  args: many,
  complete: ['running'],
  async run({ cli, args }) {
    const client = await cli.client();
    await forEachName(cli, args, async (name) => {
      const { StatusCode, Error: fault } = await (await client.containers.wait(name)).done;
      if (fault?.Message) throw new CliError(fault.Message);
      return String(StatusCode);
    });
  },
});

export const remove: Command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Remove containers',
  flags: {
    force: flag.bool('Kill a running container first', { short: 'f' }),
    link: flag.bool('Remove the link of that name', { short: 'l' }),
    volumes: flag.bool('Remove anonymous volumes, too', { short: 'v' }),
  },
  args: many,
  complete: ['stopped'],
  async run({ cli, flags, args }) {
    const client = await cli.client();
    await forEachName(cli, args, async (given) => {
      const name = given.replace(/^\/+|\/+$/g, '');
      if (name === '') throw new Error('Container name cannot be empty');
      try {
        await client.containers.remove(name, flags);
      } catch (error) {
        if (!flags.force || !(error instanceof EngineError) || error.code !== 'not_found') throw error;
        cli.err.line(errorText(error));
        return undefined;
      }
      return given;
    });
  },
});

export const rename: Command = defineCommand({
  usage: 'CONTAINER NEW_NAME',
  short: 'Rename a container',
  flags: {},
  args: { min: 2, max: 2 },
  complete: ['container', 'none'],
  async run({ cli, args }) {
    const [from = '', to = ''] = args.map((name) => name.trim());
    if (from === '' || to === '') throw new CliError('Error: Neither old nor new names may be empty');
    try {
      await (await cli.client()).containers.rename(from, to);
    } catch (error) {
      throw new CliError(`${errorText(error)}\nError: failed to rename container named ${from}`);
    }
  },
});

export const update: Command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Change limits and the restart policy of containers',
  flags: {
    'blkio-weight': flag.uint('Relative weight of block I/O, 10 to 1000, 0 for the default', 16),
    'cpu-period': flag.int('Length of a scheduler period in microseconds'),
    'cpu-quota': flag.int('CPU time allowed in each period, in microseconds'),
    'cpu-rt-period': flag.int('Length of a real-time period in microseconds'),
    'cpu-rt-runtime': flag.int('Real-time CPU time in each period, in microseconds'),
    'cpu-shares': flag.int('Relative weight of CPU time', { short: 'c' }),
    cpus: flag.cpus('How many CPUs may be used, for example 1.5'),
    'cpuset-cpus': flag.text('CPUs that may be used (0-3 or 0,1)'),
    'cpuset-mems': flag.text('Memory nodes that may be used (0-3 or 0,1)'),
    'kernel-memory': flag.bytes('Limit of kernel memory', { hidden: true }),
    memory: flag.bytes('Limit of memory, for example 512m', { short: 'm' }),
    'memory-reservation': flag.bytes('Memory that is kept when the host runs short'),
    'memory-swap': flag.bytes('Limit of memory and swap together; -1 for no limit', { allowMinusOne: true }),
    'pids-limit': flag.int('Limit of processes; -1 for no limit'),
    restart: flag.text('What happens when the container exits: no, on-failure[:N], always, unless-stopped', { complete: ['always', 'no', 'on-failure', 'unless-stopped'] }),
  },
  args: many,
  complete: ['container'],
  async run({ cli, flags, given, args }) {
    if (given.size === 0) throw new CliError('you must provide one or more flags when using this command');
    const { restartPolicy } = await import('./options/create-request.ts');
    const client = await cli.client();
    const body = {
      ...(flags.restart === '' ? {} : { RestartPolicy: restartPolicy(flags.restart) }),
      BlkioWeight: flags['blkio-weight'],
      CpuPeriod: flags['cpu-period'],
      CpuQuota: flags['cpu-quota'],
      CpuRealtimePeriod: flags['cpu-rt-period'],
      CpuRealtimeRuntime: flags['cpu-rt-runtime'],
      CpuShares: flags['cpu-shares'],
      NanoCpus: flags.cpus,
      CpusetCpus: flags['cpuset-cpus'],
      CpusetMems: flags['cpuset-mems'],
      Memory: flags.memory,
      MemoryReservation: flags['memory-reservation'],
      MemorySwap: flags['memory-swap'],
      ...(given.has('pids-limit') ? { PidsLimit: flags['pids-limit'] } : {}),
    };
    const warnings: string[] = [];
    try {
      await forEachName(cli, args, async (name) => {
        warnings.push(...((await client.containers.update(name, body)).Warnings ?? []));
        return name;
      });
    } finally {
      if (warnings.length > 0) cli.out.line(warnings.join('\n'));
    }
  },
});
