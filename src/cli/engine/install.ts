import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { engineCommand } from '#base/engine-command.ts';
import { bundled } from '#base/worker-entry.ts';
import { type Command, CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { systemctl, systemdUnits, UNIT_FOLDER } from './systemd.ts';

export const command: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Have systemd keep the engine, from boot on',
  flags: {
    print: flag.bool('Print the units and change nothing'),
    folder: flag.text('Where the units go', { default: UNIT_FOLDER, complete: 'file' }),
    start: flag.bool('Enable and start them', { default: true }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const daemon = fileURLToPath(new URL(bundled ? './daemon.js' : '../../daemon.ts', import.meta.url));
    const units = systemdUnits({ command: engineCommand(daemon, []), socket: '/run/gantry/gantry.sock', group: groupExists('gantry') ? 'gantry' : undefined });
    if (flags.print) {
      cli.out.write(`# gantry.service\n${units.service}\n# gantry.socket\n${units.socket}`);
      return;
    }
    try {
      mkdirSync(flags.folder, { recursive: true });
      writeFileSync(join(flags.folder, 'gantry.service'), units.service);
      writeFileSync(join(flags.folder, 'gantry.socket'), units.socket);
    } catch (error) {
      throw new CliError(`the units cannot be written to ${flags.folder}: ${error instanceof Error ? error.message : String(error)}`);
    }
    cli.out.line(`Wrote gantry.service and gantry.socket to ${flags.folder}.`);
    if (!flags.start || flags.folder !== UNIT_FOLDER) return;
    await systemctl('daemon-reload');
    await systemctl('enable', '--now', 'gantry.socket', 'gantry.service');
    cli.out.line('systemd keeps the engine from now on.');
  },
});

function groupExists(name: string): boolean {
  return readFileSync('/etc/group', 'utf8').split('\n').some((line) => line.startsWith(`${name}:`));
}
