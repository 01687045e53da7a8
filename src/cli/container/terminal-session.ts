import type { ClientSession } from '#api/client/session.ts';
import { stdinIsTerminal } from '../command/io.ts';
import type { Cli } from '../command/cli.ts';
import { DetachWatch } from './detach-keys.ts';

export interface SessionOptions {
  cli: Cli;
  session: ClientSession;
  /** Our standard input goes to the process. */
  input: boolean;
  stdout: boolean;
  stderr: boolean;
  detachKeys: Uint8Array;
}

/**
 * Joins our standard streams to a process until its output ends or the user detaches. The terminal is raw meanwhile when
 * the process has one, and as it was afterwards.
 */
export async function streamSession(options: SessionOptions): Promise<'ended' | 'detached'> {
  const { cli, session } = options;
  const raw = options.input && session.tty && stdinIsTerminal();
  let detached = false;
  const detach = (): void => {
    detached = true;
    session.close();
  };
  const giveBack = raw ? (await import('./raw-terminal.ts')).makeRaw() : undefined;
  const restore = (): void => giveBack?.();
  process.once('exit', restore);
  try {
    if (options.input) void pumpInput(session, session.tty ? new DetachWatch(options.detachKeys) : undefined, detach);
    try {
      for await (const { stream, data } of session.output) {
        if (stream === 'stdout' && options.stdout) cli.out.write(data);
        else if (stream === 'stderr' && options.stderr) cli.err.write(data);
      }
    } catch (error) {
      if (!detached) throw error;
    }
    return detached ? 'detached' : 'ended';
  } finally {
    process.removeListener('exit', restore);
    restore();
    session.close();
    if (options.input) process.stdin.destroy();
  }
}

async function pumpInput(session: ClientSession, watch: DetachWatch | undefined, detach: () => void): Promise<void> {
  try {
    for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
      if (!watch) {
        await session.write(chunk);
        continue;
      }
      const { pass, detached } = watch.push(chunk);
      if (pass.length > 0) await session.write(pass);
      if (detached) return detach();
    }
    session.endInput();
  } catch {
    // The process or our input went away: the end of the output says so.
  }
}

/** Tells the engine about the size of our terminal, now and whenever it changes. Returns how to stop. */
export function followWindowSize(cli: Cli, resize: (size: { height: number; width: number }) => Promise<void>): () => void {
  const send = (): void => {
    const size = cli.out.size;
    if (size && size.height > 0 && size.width > 0) resize(size).catch(() => {});
  };
  send();
  process.on('SIGWINCH', send);
  return () => process.removeListener('SIGWINCH', send);
}

const forwarded = [
  'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGCONT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGIO', 'SIGSYS', 'SIGXCPU', 'SIGXFSZ', 'SIGVTALRM',
] as const satisfies readonly NodeJS.Signals[];

const IMPATIENCE = 3;

/**
 * Passes the signals that we get on to the container. Who asks a third time to end gets out, whatever the container
 * does. Returns how to stop.
 */
export function forwardSignals(kill: (signal: string) => Promise<void>): () => void {
  let asked = 0;
  const pass = (signal: NodeJS.Signals): void => {
    if ((signal === 'SIGINT' || signal === 'SIGTERM') && ++asked === IMPATIENCE) {
      process.stderr.write(`\ngot ${IMPATIENCE} SIGTERM/SIGINTs, forcefully exiting\n`);
      process.exit(1);
    }
    kill(signal).catch(() => {});
  };
  for (const signal of forwarded) process.on(signal, pass);
  return () => {
    for (const signal of forwarded) process.removeListener(signal, pass);
  };
}

/** Refuses a terminal for a process whose input would be none. */
export function requireTerminal(wanted: { input: boolean; tty: boolean }): void {
  if (wanted.input && wanted.tty && !stdinIsTerminal()) throw new NotATerminal();
}

export class NotATerminal extends Error {
  constructor() {
    super('the input device is not a TTY');
  }
}
