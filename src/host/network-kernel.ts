import { Worker } from 'node:worker_threads';
import { EngineError, type ErrorCode } from '#base/errors.ts';
import { workerUrl } from '#base/worker-entry.ts';
import type { BridgePlan, BridgePort, ParentPlan } from './host-links.ts';
import type { InterfacePlan, InterfaceSource, NamespacePlan, RoutePlan } from './netns.ts';
import type { ElementChange } from './nft-elements.ts';
import type { Address, Link, Route } from './rtnetlink.ts';

/** What the machine's network looks like, routes of the main table. */
export interface NetworkSight {
  links: Link[];
  addresses: Address[];
  routes: Route[];
}

/** The rules' generation before and after an operation: another `before` than expected means that others changed rules. */
export interface RulesChange {
  before: number;
  after: number;
}

/** The operations, each carried out whole and in the order of the calls. All are idempotent except `make` and `plug`. */
export interface NetworkOperations {
  observe(): NetworkSight;
  ensureBridge(plan: BridgePlan): void;
  /** The interface that macvlan and ipvlan interfaces are made on. */
  ensureParent(plan: ParentPlan): void;
  /** Hosts' ends of containers' interfaces become ports of their bridges again. */
  adoptPorts(ports: readonly BridgePort[]): void;
  /** Makes a namespace with its interfaces, then changes elements of the firewall; undoes the former when anything fails. */
  make(plan: NamespacePlan, elements: readonly ElementChange[]): RulesChange;
  /** Adds an interface to a namespace in use; undone when it fails. */
  plug(path: string, item: InterfacePlan, routes: readonly RoutePlan[]): void;
  /** Takes an interface out of a namespace in use. */
  unplug(path: string, source: InterfaceSource, name: string): void;
  route(path: string, routes: readonly RoutePlan[]): void;
  /**
   * Changes elements of the firewall, then takes away the namespace's file; the kernel ends the namespace and its links soon after,
   * once no process is in it. Changes that are refused are told in `refused`; the namespace is removed all the same.
   */
  remove(path: string, elements: readonly ElementChange[]): RulesChange & { refused: string | undefined };
  /** Missing ones are fine. Each takes the kernel up to 50 ms. */
  deleteLinks(names: readonly string[]): void;
  /** Elements of sets and maps, in one transaction. */
  changeElements(elements: readonly ElementChange[]): RulesChange;
  /** One nft transaction. */
  applyRules(ruleset: string): RulesChange;
  /** JSON of nft, undefined when there is no such thing. */
  listRules(what: string): unknown;
  /** Ends the kernel's memory of UDP flows to these ports of the host or answered by these addresses. */
  forgetUdpFlows(hostPorts: readonly number[], addresses: readonly string[]): void;
  /** A number that changes with every change of any rule on the machine. */
  rulesGeneration(): number;
}

/** The same operations away from the event loop. */
export type NetworkKernel = {
  [Name in keyof NetworkOperations]: (...args: Parameters<NetworkOperations[Name]>) => Promise<ReturnType<NetworkOperations[Name]>>;
} & AsyncDisposable;

export interface WorkerRequest {
  id: number;
  operation: keyof NetworkOperations;
  args: unknown[];
}

export type WorkerAnswer = { id: number; value: unknown } | { id: number; failure: Failure };

export interface Failure {
  message: string;
  /** Of an EngineError. */
  engineCode: ErrorCode | undefined;
  /** Of a system error: `EEXIST`. */
  errno: string | undefined;
}

/** One worker thread, started at the first operation (or by `warm`) and not keeping the process alive while idle. */
export function openNetworkKernel(): NetworkKernel & { warm(): void } {
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let worker: Worker | undefined;
  let lastId = 0;

  const start = (): Worker => {
    const started = new Worker(workerUrl('host', 'network-kernel'), { name: 'network-kernel', resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 } });
    started.unref();
    started.on('message', (answer: WorkerAnswer) => {
      const call = pending.get(answer.id);
      pending.delete(answer.id);
      if (pending.size === 0) started.unref();
      if ('failure' in answer) call?.reject(revive(answer.failure));
      else call?.resolve(answer.value);
    });
    const lost = (error?: Error): void => {
      if (worker === started) worker = undefined;
      for (const call of pending.values()) {
        call.reject(new EngineError('internal', 'the network worker ended', error ? { cause: error } : {}));
      }
      pending.clear();
    };
    started.on('error', lost);
    started.on('exit', () => lost());
    return started;
  };

  const call = (operation: keyof NetworkOperations, args: unknown[]): Promise<unknown> => {
    worker ??= start();
    worker.ref();
    const id = ++lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    pending.set(id, { resolve, reject });
    worker.postMessage({ id, operation, args } satisfies WorkerRequest);
    return promise;
  };

  const operation =
    <Name extends keyof NetworkOperations>(name: Name) =>
    (...args: Parameters<NetworkOperations[Name]>) =>
      call(name, args) as Promise<ReturnType<NetworkOperations[Name]>>;

  return {
    warm: () => {
      worker ??= start();
    },
    observe: operation('observe'),
    ensureBridge: operation('ensureBridge'),
    ensureParent: operation('ensureParent'),
    adoptPorts: operation('adoptPorts'),
    make: operation('make'),
    plug: operation('plug'),
    unplug: operation('unplug'),
    route: operation('route'),
    remove: operation('remove'),
    deleteLinks: operation('deleteLinks'),
    changeElements: operation('changeElements'),
    applyRules: operation('applyRules'),
    listRules: operation('listRules'),
    forgetUdpFlows: operation('forgetUdpFlows'),
    rulesGeneration: operation('rulesGeneration'),
    async [Symbol.asyncDispose]() {
      await worker?.terminate();
    },
  };
}

function revive({ message, engineCode, errno }: Failure): Error {
  if (engineCode !== undefined) return new EngineError(engineCode, message);
  return Object.assign(new Error(message), errno === undefined ? {} : { code: errno });
}
