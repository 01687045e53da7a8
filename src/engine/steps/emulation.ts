import { readFileSync } from 'node:fs';
import { invalid } from '#base/errors.ts';
import type { HostFacts } from '#host/facts.ts';
import type { Platform } from '#spec/oci-image.ts';

/** qemu's names for Go's architectures. */
const qemu: Readonly<Record<string, string>> = {
  amd64: 'x86_64', arm64: 'aarch64', arm: 'arm', '386': 'i386', ppc64le: 'ppc64le', s390x: 's390x', riscv64: 'riscv64', loong64: 'loongarch64', mips64le: 'mips64el',
};

/** What this machine runs by itself beside its own architecture. */
const native: Readonly<Record<string, readonly string[]>> = { amd64: ['386'] };

/** Throws invalid_argument, with what to install, when programs of the platform cannot run here. */
export function requireRunnable(platform: Platform | undefined, facts: HostFacts): void {
  if (platform === undefined || platform.architecture === '' || platform.architecture === facts.architecture) return;
  if (native[facts.architecture]?.includes(platform.architecture)) return;
  if (platform.os !== 'linux') throw invalid(`programs for ${platform.os} cannot run on this machine`);
  const name = qemu[platform.architecture];
  if (name !== undefined && isRegistered(`qemu-${name}`)) return;
  throw invalid(
    `programs for linux/${platform.architecture} cannot run on this linux/${facts.architecture} machine: no emulator is registered with the kernel; install qemu-user-static and binfmt-support (and mount binfmt_misc), or build with --platform linux/${facts.architecture}`,
  );
}

function isRegistered(name: string): boolean {
  try {
    return readFileSync(`/proc/sys/fs/binfmt_misc/${name}`, 'utf8').startsWith('enabled');
  } catch {
    return false;
  }
}
