import { invalid } from '#base/errors.ts';
import type { HostConfig } from '#spec/wire/container.ts';

/** `80`, `80/tcp`, `53/udp`, `7/sctp`. */
export function validatePorts(ports: readonly string[]): void {
  for (const port of ports) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(port);
    if (!match || Number(match[1]) > 65535 || Number(match[2] ?? 0) > 65535) throw invalid(`invalid port specification: "${port}"`);
  }
}

export function validatePortBindings(bindings: HostConfig['PortBindings']): void {
  validatePorts(Object.keys(bindings ?? {}));
  for (const { HostPort = '' } of Object.values(bindings ?? {}).flatMap((list) => list ?? [])) {
    const match = /^(\d{1,5})?(?:-(\d{1,5}))?$/.exec(HostPort);
    if (!match || Number(match[1] ?? 0) > 65535 || Number(match[2] ?? 0) > 65535) throw invalid(`invalid port specification: "${HostPort}"`);
  }
}
