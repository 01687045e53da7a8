import { conflict, EngineError, invalid, notFound, notImplemented } from '#base/errors.ts';
import type { NetworkCreateRequest } from '#spec/wire/network.ts';
import type { NetworkRecord } from './record.ts';

export const PREDEFINED = ['bridge', 'host', 'none'] as const;
/** `default` is what a container's network mode may say for the first of them. */
export const isPredefined = (name: string): boolean => name === 'default' || PREDEFINED.some((predefined) => predefined === name);

/** A create request whose configuration network was looked up and whose defaults were filled in. */
export interface NetworkWish {
  name: string;
  driver: string;
  /** Not one of our own drivers. */
  remote: boolean;
  body: NetworkCreateRequest;
  ipv4: boolean;
  ipv6: boolean;
  ipamDriver: string;
}

const OWN_DRIVERS = ['bridge', 'macvlan', 'ipvlan'];

/** Checks what can be checked without the machine, in Docker's order and words. */
export function readCreateRequest(body: NetworkCreateRequest, networks: readonly NetworkRecord[]): NetworkWish {
  const { Name: name } = body;
  if (name.trim() === '') throw invalid(`invalid name: ${name}`);
  if (isPredefined(name) || name === 'default') throw new EngineError('forbidden', `operation is not permitted on predefined ${name} network `);
  if (networks.some((network) => network.name === name)) throw conflict(`network with name ${name} already exists`);
  if (body.Ingress === true) throw new EngineError('forbidden', 'Ingress network can only be global scope network');
  const driver = body.Driver === undefined || body.Driver === '' || body.Driver === 'default' ? 'bridge' : body.Driver;
  if (driver === 'overlay') {
    throw notImplemented('the overlay driver needs a cluster, which this engine does not have; use a bridge network on one machine, or macvlan or ipvlan to join the network between machines');
  }
  if (body.Scope === 'swarm' || body.Scope === 'global') throw new EngineError('forbidden', 'cannot create a swarm scoped network when swarm is not active');
  if (body.ConfigOnly === true && (body.ConfigFrom?.Network ?? '') !== '') throw new EngineError('forbidden', 'a configuration network cannot depend on another configuration network');
  const full = withConfiguration(body, networks);
  if (body.ConfigOnly !== true && (driver === 'host' || driver === 'null')) throw new EngineError('forbidden', `only one instance of "${driver}" network is allowed`);
  const ipamDriver = full.IPAM?.Driver ?? '';
  const wish = {
    name, driver: body.ConfigOnly === true ? 'null' : driver, body: full, remote: body.ConfigOnly !== true && !OWN_DRIVERS.includes(driver),
    ipv4: full.EnableIPv4 ?? true, ipv6: full.EnableIPv6 ?? false, ipamDriver: ipamDriver === '' ? 'default' : ipamDriver,
  };
  if (wish.ipamDriver === 'null' && OWN_DRIVERS.includes(wish.driver)) throw invalid(`the ${wish.driver} driver gives addresses: it does not go with the ipam driver null`);
  if (!wish.ipv4 && !wish.ipv6 && OWN_DRIVERS.includes(driver)) throw invalid('IPv4 or IPv6 must be enabled');
  return wish;
}

/** A network that is made from a configuration takes all that a configuration can say from it. */
function withConfiguration(body: NetworkCreateRequest, networks: readonly NetworkRecord[]): NetworkCreateRequest {
  const source = body.ConfigFrom?.Network ?? '';
  if (source === '') return body;
  const found = networks.find(({ name }) => name === source);
  if (found === undefined) throw notFound(`configuration network ${JSON.stringify(source)} does not exist`);
  if (!found.configOnly) throw new EngineError('forbidden', `network ${JSON.stringify(source)} is not a configuration network`);
  if ((body.IPAM?.Config ?? []).length > 0 || Object.keys(body.Options ?? {}).length > 0) {
    throw new EngineError('forbidden', 'user-specified configurations are not supported if the network depends on a configuration network');
  }
  return {
    ...body,
    EnableIPv4: found.ipv4, EnableIPv6: found.ipv6, Internal: found.internal || body.Internal, Options: found.options,
    Labels: { ...found.labels, ...body.Labels },
    IPAM: {
      Driver: found.ipamDriver, Options: found.ipamOptions ?? null,
      Config: found.pools.map(({ subnet, range, gateway, reserved }) => ({ Subnet: subnet, IPRange: range, Gateway: gateway, AuxiliaryAddresses: reserved })),
    },
  };
}
