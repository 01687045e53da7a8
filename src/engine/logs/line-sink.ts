import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { AF, SOCK, connectUnix, send, socket } from '#host/kernel-socket.ts';
import { close as closeFd } from '#host/kernel.ts';
import type { SyslogTarget } from './system-log.ts';

/** Takes whole messages. `send` resolves when the message is on its way and rejects when it is not. */
export interface LineSink extends Disposable {
  send(message: Buffer): Promise<void>;
}

/** A datagram socket of the host: /dev/log or the journal's. Waits while its receiver is slow. */
export function openUnixSink(path: string): LineSink {
  const fd = socket(AF.UNIX, SOCK.DGRAM | SOCK.NONBLOCK);
  try {
    connectUnix(fd, path);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return {
    send: async (message) => {
      for (let pause = 1; send(fd, message) < 0; pause = Math.min(50, pause * 2)) await new Promise((resolve) => setTimeout(resolve, pause));
    },
    [Symbol.dispose]: () => closeFd(fd),
  };
}

export async function openSyslogSink(target: SyslogTarget): Promise<LineSink> {
  if (target.kind === 'unix') return openUnixSink(target.path);
  return target.kind === 'udp' ? openUdpSink(target) : openTcpSink(target);
}

function openUdpSink({ host, port }: { host: string; port: number }): LineSink {
  const datagrams = createSocket(host.includes(':') ? 'udp6' : 'udp4').unref();
  datagrams.on('error', () => {});
  return {
    send: (message) => new Promise((resolve, reject) => datagrams.send(message, port, host, (error) => (error ? reject(error) : resolve()))),
    [Symbol.dispose]: () => void datagrams.close(),
  };
}

async function openTcpSink({ host, port }: { host: string; port: number }): Promise<LineSink> {
  const stream = connect({ host, port, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    stream.once('connect', resolve);
    stream.once('error', reject);
  });
  stream.on('error', () => {});
  return {
    send: (message) => new Promise((resolve, reject) => stream.write(message, (error) => (error ? reject(error) : resolve()))),
    [Symbol.dispose]: () => void stream.destroy(),
  };
}
