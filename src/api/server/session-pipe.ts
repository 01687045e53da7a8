import { Duplex } from 'node:stream';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StdioSession } from '#spec/streams.ts';
import { messageOf } from '#base/errors.ts';
import { frameChunks, frameError } from '../stdcopy.ts';
import { DetachWatcher } from './detach-watcher.ts';
import type { SessionReply } from './reply.ts';
import { MULTIPLEXED_STREAM, RAW_STREAM } from './routes/streams.ts';

const LINGER = 5_000;
const PROBE = 15_000;

/** What tells a client that the connection is its own now. */
export function upgradedHead({ multiplexed }: SessionReply): string {
  return `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${multiplexed ? MULTIPLEXED_STREAM : RAW_STREAM}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`;
}

/** Opens the session of an answer whose head is out already, and joins it to the connection. */
export async function serveSession(
  reply: SessionReply,
  wire: Duplex,
  early: Buffer | undefined,
  onError: (error: unknown) => void,
): Promise<void> {
  wire.on('error', () => {});
  let session: StdioSession;
  try {
    session = await reply.open();
  } catch (error) {
    onError(error);
    const data = Buffer.from(`${messageOf(error)}\r\n`);
    wire.write(reply.tty ? data : frameChunks([{ stream: 'stdout', data }]));
    await finish(wire);
    return;
  }
  await pipeSession(session, wire, early, !reply.tty);
}

/**
 * Joins a process's stdio to a connection that no longer speaks HTTP. Resolves when both are done: the output ended and was
 * flushed, the client detached by its keys, or it went away. The process is never disturbed.
 */
async function pipeSession(session: StdioSession, wire: Duplex, early: Buffer | undefined, framed: boolean): Promise<void> {
  const detach = session.tty ? new DetachWatcher(session.detachKeys) : undefined;
  let inputEnded = false;
  let over = false;
  let gone = wire.destroyed;

  const endInput = (): void => {
    if (inputEnded || over) return;
    inputEnded = true;
    session.endInput();
  };
  const receive = (data: Buffer): void => {
    if (inputEnded || over) return;
    const seen = detach === undefined ? { pass: data, detached: false } : detach.push(data);
    if (seen.detached) over = true;
    wire.pause();
    const written = seen.pass.length === 0 ? Promise.resolve() : session.write(seen.pass);
    written
      .catch(() => {
        // The process no longer reads; its output and its end still matter.
        inputEnded = true;
      })
      .finally(() => {
        if (seen.detached) {
          session.detached?.();
          session.close();
        }
        wire.resume();
      });
  };
  // A client that half-closed looks like one that left until something is written: an empty frame finds out.
  let probe: NodeJS.Timeout | undefined;
  const watchForLeave = (): void => {
    if (framed && !over) probe = setInterval(() => wire.write(frameChunks([{ stream: 'stdout', data: new Uint8Array() }])), PROBE).unref();
  };

  wire.on('data', receive);
  const ended = (): void => {
    endInput();
    watchForLeave();
  };
  // A client with nothing to say half-closes while the session opens.
  if (wire.readableEnded) ended();
  else wire.on('end', ended);
  wire.on('error', () => {});
  wire.on('close', () => {
    gone = true;
    session.close();
  });
  if (early !== undefined && early.length > 0) receive(early);
  else wire.resume();

  try {
    for await (const chunk of session.output) {
      if (gone) break;
      const bytes = framed ? frameChunks([chunk]) : chunk.data;
      if (!wire.write(bytes)) await flowing(wire);
    }
  } catch (error) {
    if (!gone) wire.write(framed ? frameError(messageOf(error)) : `${messageOf(error)}\r\n`);
  } finally {
    over = true;
    clearInterval(probe);
    session.close();
    await finish(wire);
  }
}

/**
 * Ends our side and waits for the other: closing with input unread would make the kernel throw away what the client has
 * not yet read.
 */
async function finish(wire: Duplex): Promise<void> {
  if (wire.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  wire.once('close', resolve);
  wire.once('end', () => wire.destroy());
  if (wire.readableEnded) wire.end(() => wire.destroy());
  else wire.end();
  const timer = setTimeout(() => wire.destroy(), LINGER);
  wire.resume();
  await promise;
  clearTimeout(timer);
}

/** Resolves when the connection takes more, or is gone. */
export function flowing(wire: Duplex): Promise<void> {
  if (wire.destroyed || !wire.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const go = (): void => {
      wire.off('drain', go);
      wire.off('close', go);
      resolve();
    };
    wire.on('drain', go);
    wire.on('close', go);
  });
}

/** For a request whose client did not ask for an upgrade: its body is the input, the answer's body the output. */
export function bodyPipe(message: IncomingMessage, response: ServerResponse): Duplex {
  return Duplex.from({ readable: message, writable: response } as unknown as NodeJS.ReadWriteStream);
}
