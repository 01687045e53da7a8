import { conflict, EngineError, invalid } from '#base/errors.ts';
import { addressOption, flagOption, isInterfaceName, mtuOption, prefixOption, type Options } from './option-text.ts';
import type { BridgeAttachment, GatewayMode, NetworkRecord } from './record.ts';

const BRIDGE = 'com.docker.network.bridge.';
const MODES: readonly GatewayMode[] = ['nat', 'nat-unprotected', 'routed', 'isolated'];

export interface BridgeSight {
  id: string;
  internal: boolean;
  /** Of the configuration, for networks that name none. */
  mtu: number | undefined;
  networks: readonly NetworkRecord[];
  /** Kind of the machine's interface of that name (`''` for hardware), undefined when there is none. */
  linkKind: (name: string) => string | undefined;
}

/** Options of the bridge driver. Unknown ones are kept and shown, as Docker does. */
export function bridgeAttachment(options: Options, sight: BridgeSight): BridgeAttachment {
  const { name, owned } = bridgeName(options[`${BRIDGE}name`] ?? '', sight);
  return {
    kind: 'bridge', name, owned,
    mtu: mtuOption(options) ?? sight.mtu,
    masquerade: flagOption(options, `${BRIDGE}enable_ip_masquerade`, true),
    communication: flagOption(options, `${BRIDGE}enable_icc`, true),
    hostAddress: hostBinding(options),
    mode4: gatewayMode(options, `${BRIDGE}gateway_mode_ipv4`, sight.internal),
    mode6: gatewayMode(options, `${BRIDGE}gateway_mode_ipv6`, sight.internal),
    source4: addressOption(options, 'com.docker.network.host_ipv4', 4),
    source6: addressOption(options, 'com.docker.network.host_ipv6', 6),
    trusted: trustedInterfaces(options),
    address4: !flagOption(options, `${BRIDGE}inhibit_ipv4`, false),
    interfacePrefix: prefixOption(options),
  };
}

function hostBinding(options: Options): string {
  const key = `${BRIDGE}host_binding_ipv4`;
  return addressOption(options, key, (options[key] ?? '').includes(':') ? 6 : 4) ?? '0.0.0.0';
}

function gatewayMode(options: Options, key: string, internal: boolean): GatewayMode {
  const text = options[key] ?? '';
  if (text === '') return 'nat';
  const mode = MODES.find((known) => known === text);
  if (mode === undefined) throw invalid(`unknown gateway mode ${text}`);
  if (mode === 'isolated' && !internal) throw invalid("gateway mode 'isolated' can only be used for an internal network");
  return mode;
}

function trustedInterfaces(options: Options): string[] {
  const text = options[`${BRIDGE}trusted_host_interfaces`] ?? '';
  const names = text.split(':').filter((name) => name !== '');
  const wrong = names.find((name) => !isInterfaceName(name));
  if (wrong !== undefined) throw invalid(`invalid interface name ${JSON.stringify(wrong)} in ${BRIDGE}trusted_host_interfaces`);
  return names;
}

function bridgeName(wanted: string, { id, networks, linkKind }: BridgeSight): { name: string; owned: boolean } {
  if (wanted === '') return { name: `br-${id.slice(0, 12)}`, owned: true };
  if (!isInterfaceName(wanted)) throw invalid(`invalid bridge name ${JSON.stringify(wanted)}: at most 15 characters without spaces, "/", ":", "%" and quotes`);
  const other = networks.find(({ via }) => via?.kind === 'bridge' && via.name === wanted);
  if (other !== undefined) {
    throw new EngineError('forbidden', `cannot create network ${id} (${wanted}): conflicts with network ${other.id} (${wanted}): networks have same bridge name`);
  }
  const kind = linkKind(wanted);
  if (kind !== undefined && kind !== 'bridge') throw conflict(`the machine has an interface ${wanted} already, and it is no bridge; choose another bridge name`);
  // A bridge that was there before is used and stays.
  return { name: wanted, owned: kind === undefined };
}
