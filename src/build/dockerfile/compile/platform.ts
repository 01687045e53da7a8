import { invalid } from '#base/errors.ts';
import { normalize } from '#image/platform.ts';
import type { Platform } from '#spec/oci-image.ts';

const osPattern = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?$/;
const osPatternText = '^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.-]*)\\))?$';
const partPattern = /^[A-Za-z0-9_.-]+$/;
const systems: ReadonlySet<string> = new Set(['aix', 'android', 'darwin', 'dragonfly', 'freebsd', 'illumos', 'ios', 'js', 'linux', 'macos', 'netbsd', 'openbsd', 'plan9', 'solaris', 'wasip1', 'windows']);
const architectures: ReadonlySet<string> = new Set(['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips', 'mipsle', 'mips64', 'mips64le', 'ppc64', 'ppc64le', 'riscv64', 's390x', 'wasm']);

/** `FROM --platform`: `os[(version)][/architecture[/variant]]` or a part alone; the rest is `host`'s. Refuses in containerd's words. */
export function parseFromPlatform(text: string, host: Platform): Platform {
  const parts = text.split('/');
  const [first = '', architecture, variant] = parts;
  const match = osPattern.exec(first);
  const quoted = JSON.stringify(text);
  if (!match) {
    throw invalid(`${JSON.stringify(first)} is an invalid OS component of ${quoted}: OSAndVersion specifier component must match ${JSON.stringify(osPatternText)}: invalid argument`);
  }
  for (const part of parts.slice(1)) {
    if (!partPattern.test(part)) throw invalid(`${JSON.stringify(part)} is an invalid component of ${quoted}: platform specifier component must match ${JSON.stringify(partPattern.source)}: invalid argument`);
  }
  if (parts.length > 3) throw invalid(`${quoted}: cannot parse platform specifier: invalid argument`);
  const name = match[1] ?? '';
  const version = match[2] === undefined || match[2] === '' ? {} : { 'os.version': match[2] };
  if (architecture !== undefined) return normalize({ os: name, architecture, ...(variant === undefined ? {} : { variant }), ...version });
  if (systems.has(name.toLowerCase())) return normalize({ os: name, architecture: host.architecture, variant: host.variant, ...version });
  const alone = normalize({ os: host.os, architecture: name });
  if (!architectures.has(alone.architecture)) throw invalid(`${quoted}: unknown operating system or architecture: invalid argument`);
  return alone;
}
