import { randomInt } from 'node:crypto';
import { close } from '#host/kernel.ts';
import { AF, connectSocket, inetAddress, recv, send, SOCK, socket } from '#host/kernel-socket.ts';
import type { Poller } from '#host/poller.ts';
import { codeOf, isAnswerTo, RCODE, writeError } from './dns-message.ts';
import { FramedStream } from './framed-stream.ts';

/** One question on its way to servers outside. */
export interface Errand {
  /** Whose; each has a share of its own. */
  asker: string;
  query: Buffer;
  /** Offset of the end of its question. */
  end: number;
  transport: 'udp' | 'tcp';
  /** Asked one after the other until one knows. */
  servers: readonly string[];
  /** Opens sockets where the servers are to be asked from. */
  within: <T>(task: () => T) => T;
  /** Called once, with the answer under the query's own id. */
  reply: (answer: Buffer) => void;
}

interface Attempt {
  deadline: number;
  over: () => void;
  lost: () => void;
}

const MOST = { errands: 1000, ofOneAsker: 200, servers: 3 } as const;
/** Milliseconds: for a server that has others behind it, for the last one, and how long a silent one comes last. */
const PATIENCE = { first: 1500, last: 4000, avoided: 20_000 } as const;
const TICK = 100;
const DNS_PORT = 53;

/**
 * Asks the servers outside for what is no name of ours. A server that is silent, fails or refuses is followed by the next;
 * what all of them refuse is refused. Every question goes out from a socket, a port and an id of its own.
 */
export class Forwarder {
  readonly #poller: Poller;
  readonly #attempts = new Set<Attempt>();
  readonly #perAsker = new Map<string, number>();
  readonly #silent = new Map<string, number>();
  readonly #tick = (): void => this.#expire();
  readonly #buffer = Buffer.alloc(65536);
  #errands = 0;

  constructor(poller: Poller) {
    this.#poller = poller;
  }

  ask(errand: Errand): void {
    const mine = this.#perAsker.get(errand.asker) ?? 0;
    if (this.#errands >= MOST.errands || mine >= MOST.ofOneAsker) {
      errand.reply(failure(errand, RCODE.REFUSED));
      return;
    }
    this.#errands++;
    this.#perAsker.set(errand.asker, mine + 1);
    this.#try(errand, this.#ordered(errand.servers), undefined);
  }

  /** Servers that were silent a moment ago come last. */
  #ordered(servers: readonly string[]): string[] {
    const now = performance.now();
    const isSilent = (server: string): boolean => (this.#silent.get(server) ?? 0) > now;
    return servers.slice(0, MOST.servers).toSorted((a, b) => Number(isSilent(a)) - Number(isSilent(b)));
  }

  #try(errand: Errand, servers: readonly string[], refusal: Buffer | undefined): void {
    const [server, ...others] = servers;
    if (server === undefined && errand.transport === 'tcp' && refusal === undefined && errand.servers.length > 0) {
      // Small servers answer by UDP alone.
      this.#try({ ...errand, transport: 'udp' }, this.#ordered(errand.servers), undefined);
      return;
    }
    if (server === undefined) {
      this.#finish(errand, refusal ?? failure(errand, RCODE.SERVFAIL));
      return;
    }
    const next = (answer?: Buffer): void => this.#try(errand, others, answer ?? refusal);
    const onAnswer = (answer: Buffer): void => {
      const code = codeOf(answer);
      if (code === RCODE.SERVFAIL || code === RCODE.REFUSED || code === RCODE.NOTIMP) next(answer);
      else this.#finish(errand, answer);
    };
    const onSilence = (): void => {
      this.#silent.set(server, performance.now() + PATIENCE.avoided);
      next();
    };
    const id = randomInt(65536);
    const sent = Buffer.from(errand.query);
    sent.writeUInt16BE(id);
    const accept = (answer: Buffer): boolean => {
      if (answer.length < 12 || answer.readUInt16BE() !== id || !isAnswerTo(sent, errand.end, answer)) return false;
      const own = Buffer.from(answer);
      errand.query.copy(own, 0, 0, 2);
      attempt.over();
      this.#silent.delete(server);
      onAnswer(own);
      return true;
    };
    const attempt: Attempt = {
      deadline: performance.now() + (others.length > 0 ? PATIENCE.first : PATIENCE.last),
      over: () => this.#attempts.delete(attempt),
      lost: onSilence,
    };
    try {
      if (errand.transport === 'udp') this.#askByDatagram(errand, server, sent, attempt, { accept, next });
      else this.#askByStream(errand, server, sent, attempt, { accept, next });
    } catch {
      attempt.over();
      next();
      return;
    }
    if (this.#attempts.size === 0) this.#poller.after(TICK, this.#tick);
    this.#attempts.add(attempt);
  }

  #askByDatagram(errand: Errand, server: string, query: Buffer, attempt: Attempt, on: { accept: (answer: Buffer) => boolean; next: () => void }): void {
    const fd = errand.within(() => socket(familyOf(server), SOCK.DGRAM | SOCK.NONBLOCK));
    try {
      connectSocket(fd, inetAddress(server, DNS_PORT));
      send(fd, query);
    } catch (error) {
      close(fd);
      throw error;
    }
    attempt.over = () => {
      if (!this.#attempts.delete(attempt)) return;
      this.#poller.delete(fd);
      close(fd);
    };
    this.#poller.add(fd, () => {
      try {
        const length = recv(fd, this.#buffer);
        if (length > 0) on.accept(this.#buffer.subarray(0, length));
      } catch {
        // Nobody listens there.
        attempt.over();
        on.next();
      }
    });
  }

  #askByStream(errand: Errand, server: string, query: Buffer, attempt: Attempt, on: { accept: (answer: Buffer) => boolean; next: () => void }): void {
    const fd = errand.within(() => socket(familyOf(server), SOCK.STREAM | SOCK.NONBLOCK));
    try {
      connectSocket(fd, inetAddress(server, DNS_PORT));
    } catch (error) {
      close(fd);
      throw error;
    }
    let isOver = false;
    const stream: FramedStream = new FramedStream(this.#poller, fd, {
      message: (answer) => {
        if (!on.accept(answer)) stream.close();
      },
      end: () => {
        if (isOver) return;
        attempt.over();
        on.next();
      },
    });
    attempt.over = () => {
      isOver = true;
      this.#attempts.delete(attempt);
      stream.close();
    };
    stream.write(query);
  }

  #finish(errand: Errand, answer: Buffer): void {
    this.#errands--;
    const mine = (this.#perAsker.get(errand.asker) ?? 1) - 1;
    if (mine > 0) this.#perAsker.set(errand.asker, mine);
    else this.#perAsker.delete(errand.asker);
    errand.reply(answer);
  }

  #expire(): void {
    const now = performance.now();
    for (const attempt of this.#attempts) {
      if (attempt.deadline > now) continue;
      attempt.over();
      attempt.lost();
    }
    if (this.#attempts.size > 0) this.#poller.after(TICK, this.#tick);
  }
}

const familyOf = (server: string): number => (server.includes(':') ? AF.INET6 : AF.INET);

function failure({ query, end }: Errand, code: number): Buffer {
  const out = Buffer.alloc(end);
  return out.subarray(0, writeError(query, end, code, { out, offset: 0 }));
}
