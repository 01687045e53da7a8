import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { CliError } from '../command/command.ts';

export const UNIT_FOLDER = '/etc/systemd/system';

/** True where systemd is in charge and our unit is installed. */
export function systemdRuns(): boolean {
  return process.geteuid?.() === 0 && existsSync('/run/systemd/system') && existsSync(`${UNIT_FOLDER}/gantry.service`);
}

export async function systemctl(...args: string[]): Promise<void> {
  const child = spawn('systemctl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject).once('close', resolve);
  const [code, words] = await Promise.all([promise, text(child.stderr)]);
  if (code !== 0) throw new CliError(`systemctl ${args.join(' ')} failed: ${words.trim()}`);
}

/** The service and the socket that starts it; `command` is the engine's program with its arguments. */
export function systemdUnits(options: { command: readonly string[]; socket: string; group: string | undefined }): { service: string; socket: string } {
  const words = options.command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word.replaceAll('%', '%%') : `"${word.replaceAll(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`));
  return {
    service: `[Unit]
Description=Gantry container engine
After=network-online.target nss-lookup.target gantry.socket
Wants=network-online.target
Requires=gantry.socket

[Service]
ExecStart=${words.join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
# The engine is made to be killed: containers, their logs and their ports do without it.
KillMode=process
Restart=always
RestartSec=100ms
Delegate=yes
TasksMax=infinity
LimitNOFILE=1048576
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
`,
    socket: `[Unit]
Description=Socket of the Gantry container engine

[Socket]
ListenStream=${options.socket}
SocketMode=0660
SocketUser=root
SocketGroup=${options.group ?? 'root'}
DirectoryMode=0711

[Install]
WantedBy=sockets.target
`,
  };
}
