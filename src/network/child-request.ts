import { EngineError, invalid } from '#base/errors.ts';
import { isInterfaceName, mtuOption, prefixOption, type Options } from './option-text.ts';
import type { ChildAttachment, NetworkRecord } from './record.ts';

export interface ChildSight {
  id: string;
  internal: boolean;
  mtu: number | undefined;
  networks: readonly NetworkRecord[];
  hasLink: (name: string) => boolean;
}

const MODES = { macvlan: ['bridge', 'private', 'vepa', 'passthru'], ipvlan: ['l2', 'l3', 'l3s'] } as const;
const FLAGS = ['bridge', 'private', 'vepa'] as const;

/** Options of the macvlan and ipvlan drivers, in Docker's words where they are wrong. */
export function childAttachment(kind: 'macvlan' | 'ipvlan', options: Options, sight: ChildSight): ChildAttachment {
  const mode = options[`${kind}_mode`] || MODES[kind][0];
  if (!MODES[kind].some((known) => known === mode)) throw invalid(`requested ${kind} mode '${mode}' is not valid, '${MODES[kind][0]}' mode is the ${kind} driver default`);
  const flag = options['ipvlan_flag'] || FLAGS[0];
  if (kind === 'ipvlan' && !FLAGS.some((known) => known === flag)) throw invalid(`requested ipvlan flag '${flag}' is not valid, 'bridge' flag is the ipvlan driver default`);
  const asked = options['parent'] ?? '';
  if (asked === 'lo') throw invalid(`loopback interface is not a valid ${kind} parent link`);
  const parent = asked === '' ? `dm-${sight.id.slice(0, 12)}` : asked;
  if (!isInterfaceName(parent)) throw invalid(`invalid parent interface ${JSON.stringify(parent)}`);
  refuseSharing(kind, parent, mode, sight);
  const made = asked === '' ? 'dummy' : sight.hasLink(parent) ? madeBefore(parent, sight) : 'vlan';
  if (made === 'vlan') vlanOf(parent);
  return { kind, parent, makes: made, mode, flag, mtu: mtuOption(options) ?? sight.mtu, interfacePrefix: prefixOption(options) };
}

/** A VLAN interface that the engine made for another network goes with the last one that needs it. */
function madeBefore(parent: string, { networks }: ChildSight): 'vlan' | undefined {
  return networks.some(({ via }) => (via?.kind === 'macvlan' || via?.kind === 'ipvlan') && via.parent === parent && via.makes === 'vlan') ? 'vlan' : undefined;
}

function refuseSharing(kind: string, parent: string, mode: string, { id, networks }: ChildSight): void {
  for (const { via, id: other } of networks) {
    if ((via?.kind !== 'macvlan' && via?.kind !== 'ipvlan') || via.parent !== parent) continue;
    if (via.kind === kind && mode !== 'passthru' && via.mode !== 'passthru') continue;
    throw new EngineError('forbidden', `network di-${id.slice(0, 12)} is already using parent interface ${parent}: network ${other.slice(0, 12)} has it as ${via.kind} ${via.mode}`);
  }
}

/** `eth0.10`: the interface below and the VLAN's number. Throws Docker's words when the name says neither. */
export function vlanOf(name: string): { below: string; vlan: number } {
  const cut = name.lastIndexOf('.');
  if (cut <= 0) throw invalid(`invalid subinterface vlan name ${name}, example formatting is eth0.10`);
  const vlan = Number(name.slice(cut + 1));
  if (!/^\d{1,4}$/.test(name.slice(cut + 1)) || vlan < 1 || vlan > 4094) throw invalid(`vlan id must be between 1-4094, received: ${name.slice(cut + 1)}`);
  return { below: name.slice(0, cut), vlan };
}
