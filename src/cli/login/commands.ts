import { readFileSync } from 'node:fs';
import { EngineError } from '#base/errors.ts';
import type { RegistryAuth } from '#api/client/images.ts';
import { fetchJson } from '#api/client/transport.ts';
import type { Cli } from '../command/cli.ts';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { stdinIsTerminal } from '../command/io.ts';
import { join } from 'node:path';
import { askLine } from '../command/ask.ts';
import { credentialsOf, eraseCredentials, HUB, serverName, storeCredentials } from './credentials.ts';

export const login: Command = defineCommand({
  usage: '[OPTIONS] [SERVER]',
  short: 'Give the credentials for a registry',
  long: 'They are kept by a credential helper where config.json names one (credsStore, credHelpers), else in config.json itself.',
  flags: {
    password: flag.text('Password or token', { short: 'p' }),
    'password-stdin': flag.bool('Read the password or token from the standard input'),
    username: flag.text('User name', { short: 'u' }),
  },
  args: { min: 0, max: 1 },
  async run({ cli, flags, given, args: [server = ''] }) {
    let password = flags.password;
    if (given.has('password')) {
      if (flags['password-stdin']) throw new CliError('conflicting options: cannot specify both --password and --password-stdin');
      cli.err.line('WARNING! Using --password via the CLI is insecure. Use --password-stdin.');
    }
    if (flags['password-stdin']) {
      if (flags.username === '') throw new CliError('the --password-stdin option requires --username to be set');
      password = readFileSync(0, 'utf8').replace(/\n$/, '').replace(/\r$/, '');
    }
    const name = serverName(server);
    if (flags.username === '' && password === '') {
      const stored = await credentialsOf(cli, name);
      if (stored !== undefined && (await tryStored(cli, name, stored))) return;
    }
    const auth = askForTheRest(cli, name, { username: flags.username, password });
    await authenticate(cli, name, auth);
  },
});

export const logout: Command = defineCommand({
  usage: '[SERVER]',
  short: 'Forget the credentials for a registry',
  flags: {},
  args: { min: 0, max: 1 },
  async run({ cli, args: [server = ''] }) {
    const name = serverName(server);
    cli.out.line(`Removing login credentials for ${name}`);
    await eraseCredentials(cli, name);
  },
});

async function authenticate(cli: Cli, server: string, auth: RegistryAuth): Promise<void> {
  const { Status, IdentityToken } = await check(cli, server, auth);
  // A token stands for the password from now on.
  const kept: RegistryAuth = IdentityToken ? { ...auth, password: '', identitytoken: IdentityToken } : auth;
  const { plainText } = await storeCredentials(cli, server, kept);
  if (plainText) {
    cli.err.line(
      `\nWARNING! Your credentials are stored unencrypted in '${join(cli.configFolder, 'config.json')}'.\n` +
        'Configure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n',
    );
  }
  if (Status) cli.out.line(Status);
}

async function check(cli: Cli, server: string, auth: RegistryAuth): Promise<{ Status?: string; IdentityToken?: string }> {
  const { transport } = await cli.client();
  return fetchJson(transport, { method: 'POST', path: '/auth', json: { ...auth, serveraddress: server } });
}

async function tryStored(cli: Cli, server: string, stored: RegistryAuth): Promise<boolean> {
  const who = stored.username === undefined ? '' : ` [Username: ${stored.username}]`;
  cli.err.line(`Authenticating with existing credentials...${who}\n\nInfo → To login with a different account, run '${cli.program} logout' followed by '${cli.program} login'\n\n`);
  try {
    await authenticate(cli, server, stored);
    return true;
  } catch (error) {
    if (!(error instanceof EngineError && error.code === 'unauthorized')) throw error;
    cli.err.line('Stored credentials invalid or expired');
    return false;
  }
}

function askForTheRest(cli: Cli, server: string, given: { username: string; password: string }): RegistryAuth {
  let { username, password } = given;
  if ((username === '' || password === '') && !stdinIsTerminal()) throw new CliError('Error: Cannot perform an interactive login from a non TTY device');
  if (username === '') {
    if (server === HUB) cli.out.line('Log in with your Docker ID or email address to push and pull images from Docker Hub.');
    username = askLine(cli, 'Username: ').trim();
    if (username === '') throw new CliError('Error: Non-null Username Required');
  }
  if (password === '') {
    password = askLine(cli, 'Password: ', { hidden: true });
    if (password === '') throw new CliError('Error: Password Required');
  }
  return { username, password, serveraddress: server };
}
