import { messageOf } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import type { NetworkKernel } from '#host/network-kernel.ts';
import { interfacePlan, routesOf } from './endpoint-plan.ts';
import type { ContainerLookup } from './options.ts';
import type { EndpointRecord, SandboxRecord } from './record.ts';
import type { Registry } from './registry.ts';
import type { Sandboxes } from './sandboxes.ts';

interface Reconciled {
  registry: Registry;
  kernel: NetworkKernel;
  sandboxes: Sandboxes;
  containers: ContainerLookup;
  log: Log;
}

/**
 * Makes whole what a killed engine left half done with living containers: a connect that the container was not told of is
 * taken back, a disconnect is finished, an interface that is gone is made again.
 */
export async function reconcileSandboxes(parts: Reconciled): Promise<void> {
  const { registry, kernel, log } = parts;
  const living = registry.living();
  if (living.length === 0) return;
  const links = new Set((await kernel.observe()).links.map(({ name }) => name));
  for (const sandbox of living) {
    try {
      await reconcile(parts, sandbox, links);
    } catch (error) {
      log.warn('a container\'s networks could not be made whole', { container: sandbox.container, reason: messageOf(error) });
    }
  }
}

async function reconcile({ registry, kernel, sandboxes, containers, log }: Reconciled, sandbox: SandboxRecord, links: ReadonlySet<string>): Promise<void> {
  const wanted = containers.networksOf(sandbox.container);
  for (const endpoint of sandbox.endpoints) {
    const network = registry.find(endpoint.network);
    if (network === undefined) continue;
    if (endpoint.leaving === true || !wanted.includes(endpoint.networkName)) {
      log.info('a connection that was half done is taken back', { container: sandbox.container, network: endpoint.networkName });
      await sandboxes.disconnect(sandbox.container, network);
      if (wanted.includes(endpoint.networkName)) containers.disconnected(sandbox.container, endpoint.networkName, undefined);
    } else if (isMissing(endpoint, links)) {
      log.info('a container\'s interface is made again', { container: sandbox.container, network: endpoint.networkName });
      await kernel.plug(sandbox.netnsPath, interfacePlan(network, endpoint), routesOf(sandbox.endpoints, (item) => registry.find(item.network)));
    }
  }
  const joined = registry.sandboxOf(sandbox.container)?.endpoints.map(({ networkName }) => networkName) ?? [];
  for (const name of wanted) if (!joined.includes(name)) containers.disconnected(sandbox.container, name, undefined);
}

/** The host's end of a pair that is gone takes the container's end with it. */
const isMissing = ({ driver, hostLink }: EndpointRecord, links: ReadonlySet<string>): boolean => driver === 'bridge' && hostLink !== undefined && !links.has(hostLink);
