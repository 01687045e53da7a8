import type { Linux } from '#spec/oci-runtime.ts';
import type { NamespaceChoice, SpecInput } from './input.ts';

type Namespace = Linux['namespaces'][number];

/** The namespaces the runtime makes or joins; what is missing from the list is shared with the host. */
export function specNamespaces(input: SpecInput): Namespace[] {
  const { network, pid, ipc, uts, cgroup } = input.namespaces;
  const list: Namespace[] = [{ type: 'mount' }];
  const add = (type: Namespace['type'], choice: NamespaceChoice): void => {
    if (choice.kind === 'private') list.push({ type });
    else if (choice.kind === 'join') list.push({ type, path: choice.path });
  };
  if (idMaps(input) !== undefined) list.unshift({ type: 'user' });
  add('network', network);
  add('pid', pid);
  add('ipc', ipc);
  add('uts', uts);
  add('cgroup', cgroup);
  return list;
}

/** The container's user namespace ranges, or undefined when it shares the engine's. */
export function idMaps(input: SpecInput): SpecInput['defaults']['usernsRemap'] {
  const { hostConfig, defaults } = input;
  return hostConfig.UsernsMode === 'host' || hostConfig.Privileged === true ? undefined : defaults.usernsRemap;
}
