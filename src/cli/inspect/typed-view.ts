import { functions, type TemplateFunction } from '../template/functions.ts';
import type { ExecuteOptions } from '../template/execute.ts';
import { goJson, isDictionary } from '../template/value.ts';

/**
 * Docker runs inspect templates on Go structs first and on the plain JSON when that fails. This is the first view: fields
 * go by their Go names too, those that the JSON leaves out have their zero values, and missing keys of maps are no error.
 */

/** Go names that differ from the JSON. */
const goNames: Readonly<Record<string, string>> = {
  ID: 'Id', DNS: 'Dns', DNSOptions: 'DnsOptions', DNSSearch: 'DnsSearch', HostIP: 'HostIp', CPUShares: 'CpuShares', CPUPeriod: 'CpuPeriod',
  CPUQuota: 'CpuQuota', CPURealtimePeriod: 'CpuRealtimePeriod', CPURealtimeRuntime: 'CpuRealtimeRuntime', CPUCount: 'CpuCount',
  CPUPercent: 'CpuPercent', NanoCPUs: 'NanoCpus', OSVersion: 'OsVersion', APIVersion: 'ApiVersion',
};

/** Fields that the JSON omits when they are empty, with what Go holds then. */
const omitted: Readonly<Record<string, unknown>> = {
  Health: null, Healthcheck: null, SizeRw: null, SizeRootFs: null, Init: null, StopTimeout: null, ImageManifestDescriptor: null, UsageData: null,
  Mounts: [], Shell: [], Annotations: {}, Tmpfs: {}, StorageOpt: {}, Sysctls: {}, ExposedPorts: {}, Options: {}, Labels: {},
  StopSignal: '', MacAddress: '', Comment: '', Author: '', Variant: '', OsVersion: '', CreatedAt: '', Parent: '',
  ArgsEscaped: false, NetworkDisabled: false, Warnings: [], Plugins: {}, Error: '',
};

const pointers = new Set(['Health', 'Healthcheck', 'Init', 'StopTimeout', 'PidsLimit', 'MemorySwappiness', 'OomKillDisable', 'SizeRw', 'SizeRootFs', 'GraphDriver', 'IPAMConfig', 'UsageData', 'Platform']);
const maps = new Set([
  'Volumes', 'ExposedPorts', 'PortBindings', 'Ports', 'Labels', 'Options', 'DriverOpts', 'Tmpfs', 'Sysctls', 'StorageOpt', 'Annotations',
  'Networks', 'Containers', 'Data', 'Status', 'AuxiliaryAddresses', 'Runtimes', 'IndexConfigs', 'Details',
]);

export interface TypedView {
  data: unknown;
  options: ExecuteOptions;
}

export function typedView(source: unknown): TypedView {
  const dictionaries = new WeakSet<object>();
  const data = settle(source, '', dictionaries);
  const index: TemplateFunction = (collection, ...keys) => {
    const value = functions['index']?.(collection, ...keys);
    return value === undefined && isDictionary(collection) ? zeroOf(collection) : value;
  };
  return {
    data,
    options: {
      functions: { ...functions, index, json: (value) => goJson(withNulls(value)) },
      nil: '<nil>',
      fallback: (receiver, name) => {
        if (!isDictionary(receiver)) return undefined;
        if (dictionaries.has(receiver)) return { value: undefined };
        const other = goNames[name];
        if (other !== undefined && Object.hasOwn(receiver, other)) return { value: receiver[other] };
        // Types of the OCI specification have small initials in JSON.
        for (const small of [name.charAt(0).toLowerCase() + name.slice(1), name.toLowerCase()]) if (Object.hasOwn(receiver, small)) return { value: receiver[small] };
        return Object.hasOwn(omitted, name) ? { value: omitted[name] } : undefined;
      },
      strictKeys: true,
    },
  };
}

/** Empty lists and maps that the JSON holds as null. */
const nulls = new WeakSet<object>(Object.values(omitted).filter((value) => typeof value === 'object' && value !== null));

function withNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (nulls.has(value)) return null;
  if (Array.isArray(value)) return value.map(withNulls);
  return isDictionary(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withNulls(item)])) : value;
}

/** Turns nulls into the empty lists and maps that Go prints; notes which objects are maps. */
function settle(value: unknown, name: string, dictionaries: WeakSet<object>): unknown {
  if (value === null) {
    if (pointers.has(name) || name === '') return null;
    const empty: object = maps.has(name) ? {} : [];
    if (maps.has(name)) dictionaries.add(empty);
    nulls.add(empty);
    return empty;
  }
  if (Array.isArray(value)) return value.map((item) => settle(item, '', dictionaries));
  if (!isDictionary(value)) return value;
  const map = maps.has(name);
  const result = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, settle(item, map ? (item === null ? 'list' : '') : key, dictionaries)]));
  if (map || (name === 'Config' && Object.values(result).every((item) => typeof item === 'string'))) dictionaries.add(result);
  return result;
}

/** The zero value of a Go map's element, as far as its other elements tell. */
function zeroOf(collection: Readonly<Record<string, unknown>>): unknown {
  const [sample = ''] = Object.values(collection);
  return typeof sample === 'string' ? '' : Array.isArray(sample) ? [] : null;
}
