import { errnoError } from './libc.ts';
import { close } from './kernel.ts';
import { AF, bindSocket, recv, send, setSocketOption, SOCK, socket } from './kernel-socket.ts';
import { attributeText, NLM_F, NLMSG, parseAttributes, parseMessages, type ReceivedMessage } from './netlink-message.ts';

const SOL_NETLINK = 270;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

/** A message with the words for its error, e.g. `add address 10.0.0.2 to eth0`. */
export interface Request {
  what: string;
  message: Buffer;
  /** Errnos that mean that the wanted state holds already: 'EEXIST' of an add, 'ENODEV' of a delete. */
  tolerate?: readonly string[];
}

/**
 * A netlink socket in the network namespace that the thread was in when it was opened; it stays there when the thread
 * moves on. Synchronous: requests take some 10 to 1000 microseconds, longer when others hold the kernel's rtnl lock.
 */
export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  #sequence = 1;
  #buffer = Buffer.alloc(256 * 1024);

  constructor(protocol = 0) {
    this.#fd = socket(AF.NETLINK, SOCK.RAW, protocol);
    try {
      const address = Buffer.alloc(12);
      address.writeUInt16LE(AF.NETLINK, 0);
      bindSocket(this.#fd, address);
      setSocketOption(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
      setSocketOption(this.#fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    } catch (error) {
      close(this.#fd);
      throw error;
    }
  }

  /** Sends all at once; the kernel carries them out in order. Throws the first failure after all were answered. */
  execute(requests: readonly Request[]): void {
    if (requests.length > 0) this.#perform(requests, []);
  }

  /** All of them or none, between the messages that begin and end a batch. */
  transact(begin: Buffer, requests: readonly Request[], end: Buffer): void {
    this.#perform(requests, [begin, end]);
  }

  #perform(requests: readonly Request[], [begin, end]: readonly Buffer[]): void {
    begin?.writeUInt32LE(this.#sequence++, 8);
    const first = this.#sequence;
    for (const { message } of requests) {
      message.writeUInt16LE(message.readUInt16LE(6) | NLM_F.ACK, 6);
      message.writeUInt32LE(this.#sequence++, 8);
    }
    end?.writeUInt32LE(this.#sequence++, 8);
    send(this.#fd, Buffer.concat([...(begin ? [begin] : []), ...requests.map(({ message }) => message), ...(end ? [end] : [])]));
    let failure: Error | undefined;
    for (let answered = 0; answered < requests.length; ) {
      for (const answer of this.#receive()) {
        // A batch that is refused as a whole is answered once, to its beginning.
        if (begin !== undefined && answer.type === NLMSG.ERROR && answer.sequence === first - 1) throw failureOf(answer, { what: 'begin a transaction', message: begin });
        const request = requests[answer.sequence - first];
        if (answer.type !== NLMSG.ERROR || request === undefined) continue;
        answered++;
        failure ??= failureOf(answer, request);
      }
    }
    if (failure !== undefined) throw failure;
  }

  /** All answers to one dump request. */
  dump(message: Buffer): ReceivedMessage[] {
    const sequence = this.#sequence++;
    message.writeUInt16LE(message.readUInt16LE(6) | NLM_F.DUMP, 6);
    message.writeUInt32LE(sequence, 8);
    send(this.#fd, message);
    const found: ReceivedMessage[] = [];
    for (;;) {
      for (const answer of this.#receive()) {
        if (answer.sequence !== sequence) continue;
        if (answer.type === NLMSG.DONE) return found;
        if (answer.type === NLMSG.ERROR) {
          const failure = failureOf(answer, { what: 'netlink dump', message });
          if (failure) throw failure;
          return found;
        }
        found.push({ ...answer, body: Buffer.from(answer.body) });
      }
    }
  }

  /** The one answer to a request that is no dump. */
  ask(request: Request): ReceivedMessage {
    const sequence = this.#sequence++;
    request.message.writeUInt32LE(sequence, 8);
    send(this.#fd, request.message);
    for (;;) {
      for (const answer of this.#receive()) {
        if (answer.sequence !== sequence) continue;
        const failure = answer.type === NLMSG.ERROR ? failureOf(answer, request) : undefined;
        if (failure) throw failure;
        return { ...answer, body: Buffer.from(answer.body) };
      }
    }
  }

  #receive(): Generator<ReceivedMessage> {
    const length = recv(this.#fd, this.#buffer);
    return parseMessages(this.#buffer.subarray(0, length));
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }
}

function failureOf(answer: ReceivedMessage, request: Request): Error | undefined {
  const errno = -answer.body.readInt32LE(0);
  if (errno === 0) return undefined;
  const error = errnoError(errno, request.what);
  if (error.code !== undefined && request.tolerate?.includes(error.code)) return undefined;
  // With NLM_F_CAPPED the request is cut to its header, else it is echoed whole before the attributes.
  const echoed = (answer.flags & 0x100) !== 0 ? 16 : answer.body.readUInt32LE(4);
  const said = (answer.flags & 0x200) !== 0 ? attributeText(parseAttributes(answer.body, 4 + ((echoed + 3) & ~3)).get(1)) : undefined;
  if (said !== undefined && said !== '') error.message += `: ${said}`;
  return error;
}
