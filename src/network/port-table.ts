import { EngineError, isErrno } from '#base/errors.ts';
import type { PortRequest } from './port-request.ts';
import type { PortRecord } from './record.ts';

/** Keeps other programs off a port. Throws an errno error (EADDRINUSE, EADDRNOTAVAIL, EACCES) when it is taken. */
export type HoldPort = (port: PortRecord) => Disposable;

/**
 * Which host ports are published, and the sockets that make other programs see them as taken. The sockets only warn
 * others: traffic goes by the firewall, so published ports outlive this process.
 */
export class PortTable {
  readonly #taken = new Map<string, Map<string, Disposable | undefined>>();
  readonly #hold: HoldPort;
  readonly #ephemeral: { first: number; last: number };
  #next: number;

  constructor(options: { hold: HoldPort; ephemeral: { first: number; last: number } }) {
    this.#hold = options.hold;
    this.#ephemeral = options.ephemeral;
    this.#next = options.ephemeral.first;
  }

  /** All or none. Docker's words for a port that a container has; "address already in use" for other programs'. */
  reserve(requests: readonly PortRequest[]): PortRecord[] {
    const reserved: PortRecord[] = [];
    try {
      for (const request of requests) reserved.push(this.#reserveOne(request));
      return reserved;
    } catch (error) {
      this.release(reserved);
      throw error;
    }
  }

  /** Takes over ports that were published before this process began. */
  adopt(ports: readonly PortRecord[]): void {
    for (const port of ports) {
      let held: Disposable | undefined;
      try {
        held = this.#hold(port);
      } catch {
        // Another program took the socket while no engine ran; the firewall still sends the traffic to the container.
      }
      this.#enter(port, held);
    }
  }

  release(ports: readonly PortRecord[]): void {
    for (const port of ports) {
      const holders = this.#taken.get(keyOf(port));
      holders?.get(port.hostAddress)?.[Symbol.dispose]();
      holders?.delete(port.hostAddress);
      if (holders?.size === 0) this.#taken.delete(keyOf(port));
    }
  }

  #reserveOne(request: PortRequest): PortRecord {
    const { containerPort, protocol, hostAddress, hostPorts } = request;
    const record = (hostPort: number): PortRecord => ({ containerPort, protocol, hostAddress, hostPort });
    const { first, last } = hostPorts ?? this.#ephemeral;
    const count = last - first + 1;
    const start = hostPorts === undefined ? this.#next : first;
    let failure: EngineError | undefined;
    for (let step = 0; step < count; step++) {
      const port = record(first + ((start - first + step) % count));
      const attempt = this.#attempt(port);
      if (attempt === undefined) {
        if (hostPorts === undefined) this.#next = port.hostPort === last ? first : port.hostPort + 1;
        return port;
      }
      failure ??= attempt;
    }
    throw count === 1 && failure ? failure : new EngineError('internal', `all ports are allocated: no free ${protocol} port on ${hostAddress} from ${first} to ${last}`);
  }

  /** Undefined when the port is now ours, else why not. */
  #attempt(port: PortRecord): EngineError | undefined {
    const where = `${port.hostAddress}:${port.hostPort}`;
    const holders = this.#taken.get(keyOf(port));
    if (holders !== undefined && (port.hostAddress === '0.0.0.0' || holders.has('0.0.0.0') || holders.has(port.hostAddress))) {
      return new EngineError('internal', `Bind for ${where} failed: port is already allocated`);
    }
    try {
      this.#enter(port, this.#hold(port));
      return undefined;
    } catch (error) {
      const reason = isErrno(error, 'EADDRINUSE')
        ? 'address already in use'
        : isErrno(error, 'EADDRNOTAVAIL')
          ? 'cannot assign requested address'
          : isErrno(error, 'EACCES')
            ? 'permission denied'
            : String(error);
      return new EngineError('internal', `failed to bind host port ${where}/${port.protocol}: ${reason}`, { cause: error });
    }
  }

  #enter(port: PortRecord, held: Disposable | undefined): void {
    const holders = this.#taken.get(keyOf(port)) ?? new Map<string, Disposable | undefined>();
    holders.set(port.hostAddress, held);
    this.#taken.set(keyOf(port), holders);
  }
}

const keyOf = (port: PortRecord): string => `${port.protocol}/${port.hostPort}`;
