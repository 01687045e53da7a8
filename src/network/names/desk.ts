import { randomInt } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import { accept, sendDatagram, type DatagramBatch } from '#host/datagram-batch.ts';
import { close } from '#host/kernel.ts';
import { AF, bindSocket, inetAddress, listen, SOCK, socket } from '#host/kernel-socket.ts';
import { redirectPort } from '#host/port-redirect.ts';
import type { Poller } from '#host/poller.ts';
import type { NamespaceVisitor } from '#host/visit-namespace.ts';
import { RESOLVER_ADDRESS } from '../resolv-conf.ts';
import { Answers } from './answers.ts';
import { HEADER, type Question } from './dns-message.ts';
import type { Forwarder } from './forwarder.ts';
import { FramedStream } from './framed-stream.ts';
import type { NameTable } from './name-table.ts';

const TABLE = 'gantry_names';
/** Above the ports that the kernel gives to programs that ask for none. */
const PORTS = { first: 61_000, last: 65_535, tries: 20 } as const;
const MOST_STREAMS = 64;
const IDLE = 10_000;
/** Milliseconds after which a netlink socket is closed without waiting. */
const CLOSE_LATER = 1000;

export interface DeskOptions {
  id: string;
  netnsPath: string;
  /** The namespace may have rules of a former resolver. */
  used: boolean;
  poller: Poller;
  visitor: NamespaceVisitor;
  batch: DatagramBatch;
  table: NameTable;
  forwarder: Forwarder;
  hostServers: () => readonly string[];
}

/**
 * Where one sandbox asks: sockets in its own network namespace, so that who asks is known by where. Programs see port 53 of
 * 127.0.0.11; the sockets have other ports, so that a name server in the container may have every port 53.
 */
export class Desk implements Disposable {
  readonly #options: DeskOptions;
  readonly #namespace: number;
  readonly #udp: number;
  readonly #tcp: number;
  readonly #answers: Answers;
  readonly #streams = new Set<FramedStream>();
  readonly #out = Buffer.alloc(65535);
  readonly #sweep = (): void => this.#closeIdle();
  #open = true;

  /** Throws when there is no such namespace (any more). */
  constructor(options: DeskOptions) {
    this.#options = options;
    const { poller, visitor, table, id } = options;
    this.#answers = new Answers(table, id);
    this.#namespace = openSync(options.netnsPath, 'r');
    try {
      const made = visitor.visit(this.#namespace, () => openSockets(options.used));
      [this.#udp, this.#tcp] = [made.udp, made.tcp];
      poller.after(CLOSE_LATER, () => made.later[Symbol.dispose]());
    } catch (error) {
      closeSync(this.#namespace);
      throw error;
    }
    poller.add(this.#udp, () => this.#readDatagrams());
    poller.add(this.#tcp, () => this.#acceptStreams());
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    const { poller } = this.#options;
    for (const stream of this.#streams) stream.close();
    poller.cancel(this.#sweep);
    for (const fd of [this.#udp, this.#tcp]) {
      poller.delete(fd);
      close(fd);
    }
    closeSync(this.#namespace);
  }

  /** One batch; who has more waits until the others had their turn. */
  #readDatagrams(): void {
    const { batch } = this.#options;
    const count = batch.receive(this.#udp);
    for (let index = 0; index < count; index++) {
      if (batch.wasCut(index)) continue;
      const start = index * batch.room;
      const query = batch.input.subarray(start, start + batch.length(index));
      const outcome = this.#answers.answer(query, batch.output, batch.answerOffset, batch.room);
      if (outcome.kind === 'answered') batch.answer(index, outcome.length);
      else if (outcome.kind === 'forward') this.#forwardDatagram(Buffer.from(query), outcome.question, batch.sender(index));
    }
    batch.flush(this.#udp);
  }

  #forwardDatagram(query: Buffer, question: Question, sender: Buffer): void {
    this.#forward(query, question, 'udp', (answer) => sendDatagram(this.#udp, fitted(answer, question), sender));
  }

  #forward(query: Buffer, { end }: Question, transport: 'udp' | 'tcp', reply: (answer: Buffer) => void): void {
    const { id, table, forwarder, visitor, hostServers } = this.#options;
    const sheet = table.get(id);
    const own = sheet !== undefined && sheet.servers !== 'host' ? sheet.servers : undefined;
    // Servers of its own are asked from within: no packet goes where the sandbox itself could not send one.
    const servers = own ?? (sheet?.forwards === true ? hostServers() : []);
    forwarder.ask({
      asker: id, query, end, transport,
      servers: servers.filter((server) => own === undefined || server !== RESOLVER_ADDRESS),
      within: own === undefined ? (task) => task() : (task) => visitor.visit(this.#namespace, task),
      reply: (answer) => {
        if (this.#open) reply(answer);
      },
    });
  }

  #acceptStreams(): void {
    const fd = accept(this.#tcp);
    if (fd === undefined) return;
    if (this.#streams.size >= MOST_STREAMS) {
      close(fd);
      return;
    }
    const stream: FramedStream = new FramedStream(this.#options.poller, fd, {
      message: (query) => {
        const outcome = this.#answers.answer(query, this.#out, 0, this.#out.length);
        if (outcome.kind === 'answered') stream.write(this.#out.subarray(0, outcome.length));
        else if (outcome.kind === 'forward') this.#forward(Buffer.from(query), outcome.question, 'tcp', (answer) => stream.write(answer));
        else stream.close();
      },
      end: () => this.#streams.delete(stream),
    });
    if (this.#streams.size === 0) this.#options.poller.after(IDLE / 2, this.#sweep);
    this.#streams.add(stream);
  }

  #closeIdle(): void {
    const oldest = performance.now() - IDLE;
    for (const stream of this.#streams) if (stream.lastActive < oldest) stream.close();
    if (this.#streams.size > 0) this.#options.poller.after(IDLE / 2, this.#sweep);
  }
}

/** What does not fit is cut to its question and marked: the client asks again by TCP. */
function fitted(answer: Buffer, question: Question): Buffer {
  if (answer.length <= question.limit) return answer;
  const cut = Buffer.from(answer.subarray(0, Math.max(HEADER, Math.min(question.end, answer.length))));
  cut[2] = (cut[2] ?? 0) | 0x02;
  cut.fill(0, 6, HEADER);
  return cut;
}

/** In the namespace of the calling thread. Programs there may have taken a port: another one is tried. */
function openSockets(used: boolean): { udp: number; tcp: number; later: Disposable } {
  const udp = socket(AF.INET, SOCK.DGRAM | SOCK.NONBLOCK);
  const tcp = socket(AF.INET, SOCK.STREAM | SOCK.NONBLOCK);
  try {
    const ports = { udp: bindSomewhere(udp), tcp: bindSomewhere(tcp) };
    listen(tcp, 64);
    return { udp, tcp, later: redirectPort({ table: TABLE, address: RESOLVER_ADDRESS, port: 53, ...ports }, used) };
  } catch (error) {
    close(udp);
    close(tcp);
    throw error;
  }
}

function bindSomewhere(fd: number): number {
  for (let tries = 1; ; tries++) {
    const port = randomInt(PORTS.first, PORTS.last + 1);
    try {
      bindSocket(fd, inetAddress(RESOLVER_ADDRESS, port));
      return port;
    } catch (error) {
      if (!isErrno(error, 'EADDRINUSE') || tries === PORTS.tries) throw error;
    }
  }
}
