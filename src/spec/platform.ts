import { invalid } from '#base/errors.ts';
import type { Platform } from './oci-image.ts';

/** Node's architecture names in Go's. */
export function goArchitecture(arch: string = process.arch): string {
  return ({ x64: 'amd64', ia32: '386', ppc64: 'ppc64le' } as Record<string, string>)[arch] ?? arch;
}

/** Other names of architectures, as containerd knows them. */
const otherNames: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  i386: ['386'],
  i686: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
};

const systems = 'aix|android|darwin|dragonfly|freebsd|hurd|illumos|ios|js|linux|macos|nacl|netbsd|openbsd|plan9|solaris|windows|zos|wasip1';
const architectures =
  '386|amd64|amd64p32|arm|armbe|arm64|arm64be|ppc64|ppc64le|loong64|mips|mipsle|mips64|mips64le|mips64p32|mips64p32le|ppc|riscv|riscv64|s390|s390x|sparc|sparc64|wasm';
const system = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?$/;
const component = /^[A-Za-z0-9_.-]+$/;

/** What a person writes: `linux/arm64/v8`, `linux`, `arm64`. Errors are containerd's texts. */
export function parsePlatform(text: string): Platform {
  const quoted = JSON.stringify(text);
  if (text.includes('*')) throw invalid(`${quoted}: wildcards not yet supported: invalid argument`);
  const parts = text.split('/');
  if (parts.length > 3) throw invalid(`${quoted}: cannot parse platform specifier: invalid argument`);
  const [first = '', second, third] = parts;
  if (parts.length === 1 && new RegExp(`^(?:${architectures})$`).test(normalArchitecture(first))) return normalPlatform({ os: 'linux', architecture: first });
  const named = system.exec(first);
  if (named === null) {
    throw invalid(`${JSON.stringify(first)} is an invalid OS component of ${quoted}: OSAndVersion specifier component must match ${JSON.stringify(system.source)}: invalid argument`);
  }
  for (const part of parts.slice(1)) {
    if (!component.test(part)) throw invalid(`${JSON.stringify(part)} is an invalid component of ${quoted}: platform specifier component must match ${JSON.stringify(component.source)}: invalid argument`);
  }
  const [, os = '', version] = named;
  if (parts.length === 1 && !new RegExp(`^(?:${systems})$`).test(os.toLowerCase())) throw invalid(`${quoted}: unknown operating system or architecture: invalid argument`);
  return normalPlatform({ os, architecture: second ?? goArchitecture(), ...(third === undefined ? {} : { variant: third }), ...(version ? { 'os.version': version } : {}) });
}

const normalArchitecture = (name: string): string => (otherNames[name.toLowerCase()] ?? [name.toLowerCase()])[0];

/** Platforms that mean the same come out the same: `arm64/v8` is `arm64`, `arm` is `arm/v7`, an unnamed system is Linux. */
export function normalPlatform(platform: Platform): Platform {
  const [architecture, implied] = otherNames[platform.architecture.toLowerCase()] ?? [platform.architecture.toLowerCase()];
  const given = platform.variant?.toLowerCase() || implied;
  const os = platform.os.toLowerCase();
  const variant = normalVariant(architecture, given);
  const { 'os.version': version } = platform;
  return { os: os === 'macos' ? 'darwin' : os || 'linux', architecture, ...(variant ? { variant } : {}), ...(version ? { 'os.version': version } : {}) };
}

function normalVariant(architecture: string, given: string | undefined): string | undefined {
  if (architecture === 'arm64') return given === 'v8' || given === '8' ? undefined : given;
  if (architecture === 'arm') return given === undefined ? 'v7' : /^\d$/.test(given) ? `v${given}` : given;
  return architecture === 'amd64' && given === 'v1' ? undefined : given;
}

export const renderPlatform = ({ os, architecture, variant }: Platform): string => [os, architecture, ...(variant ? [variant] : [])].join('/');
