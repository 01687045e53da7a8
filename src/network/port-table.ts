import { EngineError, isErrno } from '#base/errors.ts';
import { familyOf, type PortRequest } from './port-request.ts';
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
      for (const request of requests) reserved.push(...this.#reserveOne(request));
      return reserved;
    } catch (error) {
      this.release(reserved);
      throw error;
    }
  }

  /** Takes over ports that were published before this process began. */
  adopt(ports: readonly PortRecord[]): void {
    for (const port of ports) {
      if (port.hostPort === 0) continue;
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
      if (port.hostPort === 0) continue;
      const holders = this.#taken.get(keyOf(port));
      holders?.get(port.hostAddress)?.[Symbol.dispose]();
      holders?.delete(port.hostAddress);
      if (holders?.size === 0) this.#taken.delete(keyOf(port));
    }
  }

  #reserveOne(request: PortRequest): PortRecord[] {
    const { containerPort, protocol, hostAddresses, hostPorts } = request;
    const records = (hostPort: number): PortRecord[] => hostAddresses.map((hostAddress) => ({ containerPort, protocol, hostAddress, hostPort }));
    const { first, last } = hostPorts ?? this.#ephemeral;
    const count = last - first + 1;
    const start = hostPorts === undefined ? this.#next : first;
    let failure: EngineError | undefined;
    for (let step = 0; step < count; step++) {
      const hostPort = first + ((start - first + step) % count);
      const ports = records(hostPort);
      const attempt = this.#attemptAll(ports);
      if (attempt === undefined) {
        if (hostPorts === undefined) this.#next = hostPort === last ? first : hostPort + 1;
        return ports;
      }
      failure ??= attempt;
    }
    throw count === 1 && failure ? failure : new EngineError('internal', `all ports are allocated: no free ${protocol} port on ${hostAddresses.join(' and ')} from ${first} to ${last}`);
  }

  /** Undefined when the ports are now ours, else why not. */
  #attemptAll(ports: readonly PortRecord[]): EngineError | undefined {
    for (const [index, port] of ports.entries()) {
      const failure = this.#attempt(port);
      if (failure === undefined) continue;
      this.release(ports.slice(0, index));
      return failure;
    }
    return undefined;
  }

  /** Undefined when the port is now ours, else why not. */
  #attempt(port: PortRecord): EngineError | undefined {
    const bracketed = port.hostAddress.includes(':') ? `[${port.hostAddress}]` : port.hostAddress;
    const where = `${bracketed}:${port.hostPort}`;
    if ([...(this.#taken.get(keyOf(port))?.keys() ?? [])].some((address) => clashes(address, port.hostAddress))) {
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

/** The wildcard address of a family takes the port from all others of the family. */
function clashes(a: string, b: string): boolean {
  if (familyOf(a) !== familyOf(b)) return false;
  return a === b || a === '0.0.0.0' || a === '::' || b === '0.0.0.0' || b === '::';
}

const keyOf = (port: PortRecord): string => `${port.protocol}/${port.hostPort}`;
