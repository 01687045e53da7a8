import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CliError } from '../command/command.ts';

/** What a helper keeps for a server. With the user name `<token>` the secret is an identity token. */
export interface StoredSecret {
  ServerURL: string;
  Username: string;
  Secret: string;
}

/** The program that keeps secrets for docker's tools: `docker-credential-NAME`, one request a run, over its stdin. */
export interface CredentialHelper {
  /** Undefined when it knows nothing of the server. */
  get(server: string): Promise<StoredSecret | undefined>;
  store(secret: StoredSecret): Promise<void>;
  erase(server: string): Promise<void>;
  /** User names by server. */
  list(): Promise<Record<string, string>>;
}

const NOT_FOUND = 'credentials not found in native keychain';

export function credentialHelper(name: string): CredentialHelper {
  const program = `docker-credential-${name}`;
  const ask = async (action: string, input: string): Promise<string | undefined> => {
    const { code, out } = await run(program, action, input);
    if (code === 0) return out;
    const complaint = out.trim();
    if (complaint === NOT_FOUND) return undefined;
    throw new CliError(`error ${{ get: 'getting', store: 'storing', erase: 'erasing', list: 'listing' }[action] ?? 'using'} credentials - err: exit status ${code}, out: \`${complaint}\``);
  };
  return {
    async get(server) {
      const answer = await ask('get', server);
      if (answer === undefined) return undefined;
      const { Username, Secret } = fields(program, answer);
      if (typeof Username !== 'string' || typeof Secret !== 'string') throw new CliError(`${program} get: the answer has no Username and Secret`);
      return { ServerURL: server, Username, Secret };
    },
    store: async (secret) => void (await ask('store', JSON.stringify(secret))),
    erase: async (server) => void (await ask('erase', server)),
    async list() {
      const answer = await ask('list', 'unused');
      const entries = answer === undefined || answer.trim() === '' ? [] : Object.entries(fields(program, answer));
      return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
    },
  };
}

function fields(program: string, text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
  } catch {
    // Said below; the answer itself may be a secret.
  }
  throw new CliError(`${program}: the answer is not a JSON object`);
}

function run(program: string, action: string, input: string): Promise<{ code: number; out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [action], { stdio: ['pipe', 'pipe', 'inherit'] });
    const out: Buffer[] = [];
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(new CliError(error.code === 'ENOENT' ? `error getting credentials - err: exec: "${program}": executable file not found in $PATH, out: \`\`` : `${program}: ${error.message}`));
    });
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stdin.on('error', () => {});
    child.on('close', (code) => resolve({ code: code ?? 1, out: Buffer.concat(out).toString() }));
    child.stdin.end(input);
  });
}

/** The helper that docker takes on Linux when nothing was configured and nothing is stored in the file: pass, else the secret service. */
export function detectHelper(): string | undefined {
  const name = isInPath('pass') ? 'pass' : 'secretservice';
  return isInPath(`docker-credential-${name}`) ? name : undefined;
}

function isInPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      const path = join(folder, program);
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  });
}
