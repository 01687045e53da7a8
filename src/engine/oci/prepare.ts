import { join } from 'node:path';
import type { RuntimeSpec } from '#spec/oci-runtime.ts';
import { injectCdiDevices, readCdiDevices } from './cdi.ts';
import { compileSpec } from './compile.ts';
import { requestedDevices } from './device-requests.ts';
import type { PlannedMount, SpecInput } from './input.ts';
import { leadOf } from './lead.ts';
import { mountSource, requireProc } from './mount-source.ts';
import { rootFiles } from './root-files.ts';
import { checkProcDestination } from './spec-mounts.ts';
import type { ResolvedUser } from './users.ts';
import { ensureWorkingDir } from './working-dir.ts';

export interface PreparedSpec {
  spec: RuntimeSpec;
  user: ResolvedUser;
  /** Takes away what was mounted for the runtime to bind (volume subpaths); call it once the runtime has created the container. */
  [Symbol.dispose](): void;
}

/**
 * The spec of a container whose root is mounted at `input.rootfs`. Makes missing bind sources (`-v`) and the working
 * directory; otherwise changes nothing. Throws invalid_argument with Docker's sentences.
 */
export function prepareSpec(input: SpecInput): PreparedSpec {
  const sources = new DisposableStack();
  try {
    for (const mount of input.mounts) {
      const lead = leadOf(input.rootfs, mount.destination);
      checkProcDestination(lead);
      if (lead === '/proc') requireProc(mount);
    }
    const { spec, user } = compileSpec(input, {
      files: rootFiles(input.rootfs),
      mountSource: (mount: PlannedMount) => mountSource(mount, join(input.bundle, `subpath-${input.mounts.indexOf(mount)}`), sources),
      workingDir: (path) => ensureWorkingDir(input.rootfs, path),
    });
    const requests = input.hostConfig.DeviceRequests ?? [];
    if (requests.length > 0) {
      const devices = readCdiDevices(input.facts.cdiDirs);
      injectCdiDevices(spec, requestedDevices(requests, devices), devices);
    }
    return { spec, user, [Symbol.dispose]: () => sources.dispose() };
  } catch (error) {
    sources.dispose();
    throw error;
  }
}
