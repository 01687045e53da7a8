import { invalid, notImplemented } from '#base/errors.ts';
import { parsePlatform } from '#image/platform.ts';
import type { NativeBuildRequest, NativeContext } from '#spec/wire/native-build.ts';
import type { BuildOrder, Entitlement } from '../builder.ts';
import type { SentContext } from '../context/contexts.ts';
import type { KeptContext, KeptContexts } from '../context/kept-contexts.ts';
import type { BuildContext } from '../frontend.ts';
import type { RemoteSources } from '../sources/remote.ts';

export const MAIN = 'context';

export interface PreparedOrder {
  order: Omit<BuildOrder, 'frontend'> & { frontend: Omit<BuildOrder['frontend'], 'text'> };
  sent: SentContext[];
  /** Those of which files may have to come. */
  kept: Map<string, KeptContext>;
  main: BuildContext;
}

/** What a client of our own protocol asked for, checked. Contexts that were sent are taken; the caller disposes them. */
export async function nativeOrder(request: NativeBuildRequest, contexts: KeptContexts, remote: RemoteSources, ssh: BuildOrder['ssh'], signal: AbortSignal): Promise<PreparedOrder> {
  const sent = new Map<string, SentContext>();
  const kept = new Map<string, KeptContext>();
  const take = async (name: string, given: NativeContext): Promise<BuildContext> => {
    if (given.kind === 'sent') {
      const context = contexts.take(given.id);
      sent.set(name, context);
      kept.set(name, context);
      return { kind: 'local', name };
    }
    if (given.kind === 'image') return { kind: 'image', reference: given.reference };
    sent.set(name, await remote.context(given.address, signal));
    return { kind: 'local', name };
  };
  try {
    const main: BuildContext = request.context === undefined ? { kind: 'local', name: MAIN } : await take(MAIN, request.context);
    const named = new Map<string, BuildContext>();
    for (const [name, given] of Object.entries(request.contexts)) named.set(name, await take(`named ${name}`, given));
    const network = networkOf(request.network);
    return {
      main,
      sent: [...sent.values()],
      kept,
      order: {
        ref: request.ref,
        frontend: {
          fileName: request.dockerfile.path, target: request.target, buildArgs: request.buildArgs, labels: request.labels,
          platforms: request.platforms.map(parsePlatform), noCache: request.noCache, noCacheFilter: request.noCacheFilter,
          resolveMode: request.pull ? 'pull' : 'default', addHosts: request.addHosts.map(hostOf), networkMode: network, shmSize: request.shmSize, ulimits: request.ulimits,
          cgroupParent: request.cgroupParent, hostname: '', cacheIdNamespace: '', context: main, namedContexts: named, ignoreText: request.ignoreText,
        },
        contexts: sent,
        wish: { mode: request.pull ? 'pull' : 'default', auth: request.auth },
        secrets: new Map(Object.entries(request.secrets).map(([id, data]) => [id, Buffer.from(data, 'base64')])),
        ssh,
        entitlements: new Set(request.allow.map(entitlement)),
        limits: {
          memory: request.memory, memorySwap: request.memorySwap, cpuShares: request.cpuShares, cpuPeriod: request.cpuPeriod, cpuQuota: request.cpuQuota,
          cpusetCpus: request.cpusetCpus, cpusetMems: request.cpusetMems, cgroupParent: request.cgroupParent,
        },
        shmSize: request.shmSize,
        networkName: undefined,
        announced: false,
      },
    };
  } catch (error) {
    for (const context of sent.values()) context[Symbol.dispose]();
    throw error;
  }
}

function networkOf(mode: string): 'sandbox' | 'host' | 'none' {
  if (mode === '' || mode === 'default' || mode === 'bridge') return 'sandbox';
  if (mode === 'host' || mode === 'none') return mode;
  throw notImplemented(`network mode ${JSON.stringify(mode)} not supported by builds: default, host and none are`);
}

function entitlement(text: string): Entitlement {
  if (text === 'network.host' || text === 'security.insecure') return text;
  throw invalid(`invalid entitlement: ${text}`);
}

/** `host:ip` or `host=ip`. */
export function hostOf(text: string): { host: string; ip: string } {
  const cut = text.search(/[:=]/);
  if (cut <= 0 || cut === text.length - 1) throw invalid(`bad format for add-host: ${JSON.stringify(text)}`);
  return { host: text.slice(0, cut), ip: text.slice(cut + 1).replace(/^\[(.*)\]$/, '$1') };
}
