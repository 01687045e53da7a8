import { join } from 'node:path';
import type { RuntimeSpec } from '#spec/oci-runtime.ts';
import { injectCdiDevices, readCdiDevices } from './cdi.ts';
import { compileSpec } from './compile.ts';
import { requestedDevices } from './device-requests.ts';
import type { PlannedMount, SpecInput } from './input.ts';
import { leadOf } from './lead.ts';
import { makeMountpoint } from './make-in-root.ts';
import { mountSource, requireProc } from './mount-source.ts';
import { rootFiles } from './root-files.ts';
import { checkProcDestination } from './spec-mounts.ts';
import type { ResolvedUser } from './users.ts';
import { ensureWorkingDir } from './working-dir.ts';

const kernelPlaces = ['/proc', '/dev', '/sys'];

export interface PreparedSpec {
  spec: RuntimeSpec;
  user: ResolvedUser;
  /** Takes away what was mounted for the runtime to bind (images, volume subpaths); call it once the runtime has created the container. */
  [Symbol.dispose](): void;
}

/**
 * The spec of a container whose root is mounted at `input.rootfs`. Makes missing bind sources (`-v`), mount points and
 * the working directory; otherwise changes nothing. Throws invalid_argument with Docker's sentences.
 */
export function prepareSpec(input: SpecInput): PreparedSpec {
  const sources = new DisposableStack();
  try {
    const mountpoints = new Map(input.mounts.map((mount) => [mount, leadOf(input.rootfs, mount.destination)]));
    for (const [mount, lead] of mountpoints) {
      checkProcDestination(lead);
      if (lead === '/proc') requireProc(mount);
    }
    // What lies in another mount is made there, by the runtime.
    const isInMount = (path: string): boolean => [...kernelPlaces, ...mountpoints.values()].some((place) => path.startsWith(`${place}/`));
    const { spec, user } = compileSpec(input, {
      files: rootFiles(input.rootfs),
      mountSource: (mount: PlannedMount) => {
        const source = mountSource(mount, {
          path: join(input.bundle, `subpath-${input.mounts.indexOf(mount)}`),
          held: sources,
          layers: mount.type === 'image' ? (input.imageLayers?.get(mount.source) ?? []) : [],
        });
        const lead = mountpoints.get(mount) ?? mount.destination;
        if (!isInMount(lead)) makeMountpoint(input.rootfs, mount, lead, source);
        return source;
      },
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
