import { fileURLToPath } from 'node:url';
import { defaultFolders } from '#base/folders.ts';
import { bundled } from '#base/worker-entry.ts';
import type { Cli } from '../command/cli.ts';
import { defineCommand } from '../command/command.ts';
import { errorText } from '../command/error-text.ts';
import * as flag from '../command/flag.ts';
import { fail, ok, warn, type Finding, type Machine } from './check.ts';
import { checkKernel } from './kernel.ts';
import { thisMachine } from './machine.ts';
import { checkPackages, parsePackages } from './packages.ts';
import { checkUser } from './user.ts';

export const command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Check whether this machine can run containers, and say how to mend it',
  flags: { format: flag.text('How to show it: json', { complete: ['json'] }) },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const machine = thisMachine();
    const findings = [...checkMachine(machine), await checkEngine(cli)];
    if (flags.format === 'json') cli.out.line(JSON.stringify(findings));
    else cli.out.write(report(findings, cli.out.terminal));
    return findings.some((finding) => finding.state === 'fail') ? 1 : 0;
  },
});

/** Everything but the engine itself. */
export function checkMachine(machine: Machine): Finding[] {
  const list = machine.read(fileURLToPath(new URL(bundled ? '../system-packages.txt' : '../../../system-packages.txt', import.meta.url))) ?? '';
  return [
    ...checkUser(machine, defaultFolders({ user: machine.user, env: machine.env })),
    ...checkKernel(machine),
    ...checkPackages(machine, parsePackages(list)),
  ];
}

async function checkEngine(cli: Cli): Promise<Finding> {
  try {
    const { host } = await cli.endpoint();
    const client = await cli.quietClient();
    try {
      const { server, apiVersion } = await client.ping();
      return ok('engine', `${server || 'an engine'} answers at ${host}, API ${apiVersion}`);
    } catch {
      return warn('engine', `nothing answers at ${host}`, 'gantry engine start (any command that needs the engine starts it, too)');
    } finally {
      client.close();
    }
  } catch (error) {
    return fail('engine', errorText(error), 'look at --host, --context and DOCKER_HOST');
  }
}

const signs = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;
const colours = { ok: 32, warn: 33, fail: 31 } as const;

export function report(findings: readonly Finding[], coloured: boolean): string {
  const wide = Math.max(...findings.map((finding) => finding.what.length));
  const lines = findings.map(({ state, what, found, mend }) => {
    const sign = coloured ? `\x1b[${colours[state]}m${signs[state]}\x1b[0m` : signs[state];
    return `${sign}  ${what.padEnd(wide)}  ${found}${mend === '' ? '' : `\n      ${' '.repeat(wide)}  -> ${mend}`}`;
  });
  const count = (state: Finding['state']): number => findings.filter((finding) => finding.state === state).length;
  const verdict = count('fail') > 0
    ? `${count('fail')} fault${count('fail') === 1 ? ' keeps' : 's keep'} containers from running.`
    : count('warn') > 0 ? 'Containers can run; something will not work as it should.' : 'All is well.';
  return `${lines.join('\n')}\n\n${verdict}\n`;
}
