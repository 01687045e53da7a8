import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Dispatcher } from './dispatcher.ts';
import { refusalOf } from './errors.ts';
import type { Headers } from './reply.ts';
import { serveSession, upgradedHead } from './session-pipe.ts';
import { acceptWebSocket, serveWebSocket } from './websocket.ts';
import { refusalReply, release, writeRaw } from './write-reply.ts';

/** Serves a request that asks to leave HTTP; resolves when its connection is done with. */
export async function serveUpgrade(dispatcher: Dispatcher, message: IncomingMessage, wire: Duplex, head: Buffer, common: Headers): Promise<void> {
  wire.on('error', () => {});
  const reply = await dispatcher.run(message, (callback) => wire.once('close', callback));
  switch (reply.kind) {
    case 'session': {
      wire.write(upgradedHead(reply));
      await serveSession(reply, wire, head, (error) => dispatcher.report(error, message));
      return;
    }
    case 'websocket': {
      let accepted: string;
      try {
        accepted = acceptWebSocket(message.headers);
      } catch (error) {
        reply.session.close();
        writeRaw(wire, refusalReply(refusalOf(error)), common);
        return;
      }
      wire.write(accepted);
      await serveWebSocket(reply.session, wire, head, reply.binary);
      return;
    }
    case 'stream':
      await release(reply);
      wire.destroy();
      return;
    default:
      writeRaw(wire, reply, common);
  }
}
