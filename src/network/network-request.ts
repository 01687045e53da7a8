import { conflict, EngineError, invalid, notFound, notImplemented } from '#base/errors.ts';
import { asNetworkId } from '#spec/ids.ts';
import type { IPAMConfig, NetworkCreateRequest } from '#spec/wire/network.ts';
import { contains, formatAddress, formatSubnet, overlaps, parseAddress, parseSubnet, type Subnet } from './ipv4.ts';
import type { BridgeRecord, NetworkRecord } from './record.ts';

export const PREDEFINED = ['bridge', 'host', 'none'] as const;
export const isPredefined = (name: string): boolean => PREDEFINED.some((predefined) => predefined === name);

const PREFIX = 'com.docker.network.';
const BRIDGE = `${PREFIX}bridge.`;
const KNOWN_OPTIONS = ['name', 'enable_icc', 'enable_ip_masquerade', 'host_binding_ipv4', 'default_bridge', 'gateway_mode_ipv4', 'inhibit_ipv4'].map(
  (key) => BRIDGE + key,
);

/**
 * Turns a create request into a record. `choose` picks a subnet when the request names none; `others` are the subnets and
 * bridges of the networks that exist.
 */
export function recordOf(
  body: NetworkCreateRequest,
  given: { id: string; created: string; mtu: number | undefined; others: readonly BridgeRecord[]; choose: () => Subnet },
): NetworkRecord {
  refuseUnsupported(body);
  const options = body.Options ?? {};
  return {
    version: 1, id: asNetworkId(given.id), name: body.Name, driver: 'bridge', created: given.created, internal: body.Internal ?? false,
    attachable: body.Attachable ?? false, options, labels: body.Labels ?? {}, ipamOptions: body.IPAM?.Options ?? undefined,
    bridge: {
      owned: true,
      name: bridgeName(options[`${BRIDGE}name`], given),
      ...addressing(body, given),
      mtu: parseMtu(options[`${PREFIX}driver.mtu`]) ?? given.mtu,
      masquerade: parseFlag(options, 'enable_ip_masquerade', true),
      communication: parseFlag(options, 'enable_icc', true),
      hostAddress: parseHostBinding(options[`${BRIDGE}host_binding_ipv4`]),
    },
  };
}

const BUILT_IN = ['', 'default', 'bridge', 'host', 'null', 'macvlan', 'ipvlan', 'overlay'];

/** The name of the plugin that a request asks for, undefined for a driver of our own. */
export const remoteDriver = ({ Driver: driver = '' }: NetworkCreateRequest): string | undefined => (BUILT_IN.includes(driver) ? undefined : driver);

function refuseUnsupported(body: NetworkCreateRequest): void {
  const { Name: name } = body;
  const driver = body.Driver === undefined || body.Driver === '' || body.Driver === 'default' ? 'bridge' : body.Driver;
  if (typeof name !== 'string' || name === '') throw invalid('network name cannot be empty');
  if (isPredefined(name)) throw new EngineError('forbidden', `operation is not permitted on predefined ${name} network`);
  if (!/^[\w][\w.-]*$/.test(name)) throw invalid(`invalid network name ${JSON.stringify(name)}: only letters, digits, "_", "." and "-" are allowed`);
  if (driver === 'host' || driver === 'null') throw new EngineError('forbidden', `only one instance of "${driver}" network is allowed`);
  if (['macvlan', 'ipvlan', 'overlay'].includes(driver)) throw notImplemented(`networks of the driver ${driver} are not supported yet; use a bridge network`);
  if (driver !== 'bridge') throw notImplemented(`networks of the plugin ${driver} are not supported yet; use a bridge network`);
  if (body.EnableIPv6 === true) throw notImplemented('IPv6 in container networks is not supported yet; create the network without it');
  if (body.EnableIPv4 === false) throw notImplemented('networks without IPv4 are not supported yet');
  if (body.ConfigOnly === true || (body.ConfigFrom?.Network ?? '') !== '') throw notImplemented('networks of configuration only are not supported yet');
  if (body.Ingress === true || body.Scope === 'swarm') throw notImplemented('swarm networks are not supported: this engine is not part of a swarm');
  if (!['', 'default', 'null'].includes(body.IPAM?.Driver ?? '')) throw notFound(`IPAM driver ${body.IPAM?.Driver ?? ''} not found`);
  for (const key of Object.keys(body.Options ?? {})) {
    if (key.startsWith(PREFIX) && !KNOWN_OPTIONS.includes(key) && key !== `${PREFIX}driver.mtu`) throw notImplemented(`the network option ${key} is not supported`);
  }
  const mode = body.Options?.[`${BRIDGE}gateway_mode_ipv4`] ?? 'nat';
  if (mode !== 'nat' && mode !== '') throw notImplemented(`the gateway mode ${mode} is not supported; only nat is`);
  if (parseFlag(body.Options ?? {}, 'inhibit_ipv4', false)) throw notImplemented(`the network option ${BRIDGE}inhibit_ipv4 is not supported`);
}

function addressing(
  body: NetworkCreateRequest,
  given: { others: readonly BridgeRecord[]; choose: () => Subnet },
): Pick<BridgeRecord, 'subnet' | 'subnetGiven' | 'range' | 'gateway' | 'reserved'> {
  const configs = body.IPAM?.Config ?? [];
  if (configs.some((config) => (config.Subnet ?? '').includes(':'))) throw notImplemented('IPv6 subnets are not supported yet; create the network without them');
  if (configs.length > 1) throw notImplemented('a network with several IPv4 subnets is not supported; bridge networks have one');
  const config: IPAMConfig = configs[0] ?? {};
  const subnetGiven = (config.Subnet ?? '') !== '';
  const subnet = subnetGiven ? parseSubnet(config.Subnet ?? '') : given.choose();
  if (subnet === undefined || subnet.prefix > 30) throw invalid(`invalid network config: invalid subnet ${config.Subnet ?? ''}`);
  if (!subnetGiven && (config.IPRange ?? '') !== '') throw invalid('invalid network config: an ip-range needs a subnet');
  if (subnetGiven) {
    for (const other of given.others) {
      const taken = parseSubnet(other.subnet);
      if (taken !== undefined && overlaps(subnet, taken)) throw new EngineError('forbidden', 'Pool overlaps with other one on this address space');
    }
  }
  const range = (config.IPRange ?? '') === '' ? undefined : parseSubnet(config.IPRange ?? '');
  if ((config.IPRange ?? '') !== '' && (range === undefined || !contains(subnet, range.base) || range.prefix < subnet.prefix)) {
    throw invalid(`invalid network config: the ip-range ${config.IPRange ?? ''} is not within the subnet ${formatSubnet(subnet)}`);
  }
  const inside = (what: string, text: string): string => {
    const address = parseAddress(text);
    if (address === undefined || !contains(subnet, address)) throw invalid(`invalid network config: no matching subnet for ${what} ${text}`);
    return formatAddress(address);
  };
  const gateway = (config.Gateway ?? '') === '' ? formatAddress((range?.base ?? subnet.base) === subnet.base ? subnet.base + 1 : (range?.base ?? 0)) : inside('gateway', config.Gateway ?? '');
  const reserved = Object.fromEntries(Object.entries(config.AuxiliaryAddresses ?? {}).map(([name, text]) => [name, inside('aux-address', text)]));
  return { subnet: formatSubnet(subnet), subnetGiven, range: range && formatSubnet(range), gateway, reserved };
}

function bridgeName(wanted: string | undefined, given: { id: string; others: readonly BridgeRecord[] }): string {
  if (wanted === undefined || wanted === '') return `br-${given.id.slice(0, 12)}`;
  if (!/^[^\s/:"%]{1,15}$/.test(wanted) || wanted === '.' || wanted === '..') throw invalid(`invalid bridge name ${JSON.stringify(wanted)}: at most 15 characters without spaces, "/", ":" and quotes`);
  if (given.others.some((other) => other.name === wanted)) throw conflict(`the bridge name ${wanted} is used by another network`);
  return wanted;
}

function parseMtu(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const mtu = Number(text);
  if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65535) throw invalid(`invalid MTU ${JSON.stringify(text)}: expected a number from 68 to 65535`);
  return mtu;
}

function parseFlag(options: Readonly<Record<string, string>>, key: string, otherwise: boolean): boolean {
  const text = options[BRIDGE + key];
  if (text === undefined || text === '') return otherwise;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw invalid(`invalid value ${JSON.stringify(text)} of the network option ${BRIDGE}${key}: expected true or false`);
}

function parseHostBinding(text: string | undefined): string {
  if (text === undefined || text === '') return '0.0.0.0';
  if (parseAddress(text) === undefined) throw invalid(`invalid value ${JSON.stringify(text)} of the network option ${BRIDGE}host_binding_ipv4: expected an IPv4 address`);
  return text;
}
