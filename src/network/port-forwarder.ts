/**
 * What comes to a published port by IPv6 and cannot be translated by the kernel: packets for ::1, and those for containers
 * without IPv6. Connections are carried by this process and end with it; all others are the kernel's.
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';

export interface ForwardTarget {
  address: string;
  port: number;
}

/** `fd` listens; it is closed with the forwarder. Connections that were accepted go on until one side ends them. */
export function forwardStreams(fd: number, target: () => ForwardTarget | undefined): Disposable {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => carry(client, target()));
  // The port is held all the same when nobody can be accepted (too many open files).
  server.on('error', () => {});
  server.listen({ fd });
  server.unref();
  return { [Symbol.dispose]: () => void server.close() };
}

function carry(client: Socket, target: ForwardTarget | undefined): void {
  client.on('error', () => client.destroy());
  if (target === undefined) {
    client.resetAndDestroy();
    return;
  }
  const server = connect({ host: target.address, port: target.port, allowHalfOpen: true, noDelay: true });
  let joined = false;
  server.on('connect', () => {
    joined = true;
    client.pipe(server).pipe(client);
    client.resume();
  });
  // Refused: the client is told as it would have been, with a reset.
  server.on('error', () => (joined ? client.destroy() : client.resetAndDestroy()));
  server.on('close', () => client.destroySoon());
  client.on('close', () => server.destroy());
}

const IDLE = 90_000;
/** Of clients of one port; the one that was silent for longest gives way. */
const MOST_CLIENTS = 256;

/** `fd` is bound. Each client gets a socket of its own, so that answers find back; silence ends it. */
export function forwardDatagrams(fd: number, target: () => ForwardTarget | undefined, type: 'udp4' | 'udp6'): Disposable {
  const front = createSocket(type);
  const clients = new Map<string, { socket: DatagramSocket; timer: NodeJS.Timeout }>();
  const drop = (key: string): void => {
    const client = clients.get(key);
    clients.delete(key);
    clearTimeout(client?.timer);
    client?.socket.close();
  };
  front.on('error', () => {});
  front.on('message', (data, from) => {
    const to = target();
    if (to === undefined) return;
    const key = `${from.address} ${from.port}`;
    let client = clients.get(key);
    if (client === undefined) {
      const oldest = clients.size >= MOST_CLIENTS ? clients.keys().next().value : undefined;
      if (oldest !== undefined) drop(oldest);
      const socket = createSocket(to.address.includes(':') ? 'udp6' : 'udp4');
      socket.unref();
      socket.on('error', () => drop(key));
      socket.on('message', (answer) => front.send(answer, from.port, from.address));
      client = { socket, timer: setTimeout(() => drop(key), IDLE).unref() };
    } else {
      client.timer.refresh();
      clients.delete(key);
    }
    clients.set(key, client);
    client.socket.send(data, to.port, to.address);
  });
  front.bind({ fd });
  front.unref();
  return {
    [Symbol.dispose]: () => {
      for (const key of clients.keys()) drop(key);
      front.close();
    },
  };
}
