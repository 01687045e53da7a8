import { invalid } from '#base/errors.ts';
import type { DeviceRequest } from '#spec/wire/container.ts';
import type { CdiDevices } from './cdi.ts';

/** Vendors whose devices `--gpus` takes, the first that has a spec. */
const gpuKinds = ['nvidia.com/gpu', 'amd.com/gpu'];

/**
 * The CDI devices that device requests (`--gpus`, `--device vendor/class=name`) mean. Throws invalid_argument, in
 * Docker's words, when no driver can serve a request.
 */
export function requestedDevices(requests: readonly DeviceRequest[], known: CdiDevices): string[] {
  return requests.flatMap((request) => {
    const { Driver: driver = '', Capabilities: capabilities = [], DeviceIDs: ids = [], Count: count = 0 } = request;
    if (driver === 'cdi') return ids;
    const refused = (): Error =>
      invalid(`could not select device driver "${driver}" with capabilities: [${capabilities.map((all) => `[${all.join(' ')}]`).join(' ')}]`);
    if (!capabilities.some((all) => all.includes('gpu'))) throw refused();
    const kind = gpuKinds.find((candidate) => vendorFits(driver, candidate) && [...known.keys()].some((name) => name.startsWith(`${candidate}=`)));
    if (kind === undefined) throw refused();
    if (count !== 0 && ids.length > 0) throw invalid('cannot set both Count and DeviceIDs on device request');
    if (ids.length > 0) return ids.map((id) => `${kind}=${id}`);
    return count > 0 ? Array.from({ length: count }, (_, index) => `${kind}=${index}`) : allOf(kind, known);
  });
}

const vendorFits = (driver: string, kind: string): boolean => driver === '' || kind.startsWith(`${driver}.`);

function allOf(kind: string, known: CdiDevices): string[] {
  return known.has(`${kind}=all`) ? [`${kind}=all`] : [...known.keys()].filter((name) => name.startsWith(`${kind}=`));
}
