/** A name server outside, on an address of the host's loopback, whose manners a test chooses. */
import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';

export type Manner = 'answers' | 'fails' | 'refuses' | 'is silent';

export class Upstream implements AsyncDisposable {
  readonly address: string;
  /** Names that were asked for, in lower case. */
  readonly asked: string[] = [];
  manner: Manner = 'answers';
  readonly #udp: Socket;
  readonly #tcp: Server;

  private constructor(address: string, udp: Socket, tcp: Server) {
    this.address = address;
    this.#udp = udp;
    this.#tcp = tcp;
    udp.on('message', (query, from) => {
      const answer = this.#answer(query, 512);
      if (answer) udp.send(answer, from.port, from.address);
    });
    tcp.on('connection', (connection) => {
      connection.on('error', () => {});
      connection.on('data', (data: Buffer) => {
        const answer = this.#answer(data.subarray(2), 65535);
        if (!answer) return;
        const frame = Buffer.alloc(2 + answer.length);
        frame.writeUInt16BE(answer.length);
        answer.copy(frame, 2);
        connection.write(frame);
      });
    });
  }

  static async start(address: string): Promise<Upstream> {
    const udp = createSocket('udp4');
    await new Promise<void>((resolve) => udp.bind(53, address, resolve));
    const tcp = createServer();
    await new Promise<void>((resolve) => tcp.listen(53, address, resolve));
    return new Upstream(address, udp, tcp);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    this.#tcp.close();
  }

  /** `n.many.test` has n addresses; everything else has 192.0.2.1, `no.test` does not exist, and whatever begins with `slow` is never answered. */
  #answer(query: Buffer, limit: number): Buffer | undefined {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const question = query.subarray(12, at + 5);
    const name = labels.join('.').toLowerCase();
    this.asked.push(name);
    if (this.manner === 'is silent' || name.startsWith('slow')) return undefined;
    const code = this.manner === 'fails' ? 2 : this.manner === 'refuses' ? 5 : name === 'no.test' ? 3 : 0;
    const count = code !== 0 || query.readUInt16BE(at + 1) !== 1 ? 0 : name.endsWith('.many.test') ? Number(labels[0]) : 1;
    const records = Array.from({ length: count }, (_, index) => Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2 + (index >> 8), (index + 1) & 255]));
    const size = 12 + question.length + 16 * count;
    const cut = size > limit;
    const head = Buffer.from([query[0] ?? 0, query[1] ?? 0, cut ? 0x83 : 0x81, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0]);
    head.writeUInt16BE(cut ? 0 : count, 6);
    return Buffer.concat([head, question, ...(cut ? [] : records)]);
  }
}
