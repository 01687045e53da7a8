import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const folders = ['dev/pts', 'dev/shm', 'proc', 'sys', 'etc'];
const files = ['.dockerenv', 'dev/console', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf'];

/**
 * The overlay layer between an image and a container's own changes: the places the engine mounts on, so that they count
 * neither as the image's nor as the container's, and `/.dockerenv`, by which programs know where they run. One folder
 * serves every container. Idempotent; appears whole.
 */
export function prepareInitLayer(path: string): void {
  if (existsSync(path)) return;
  const temporary = `${path}.${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  for (const folder of folders) mkdirSync(join(temporary, folder), { recursive: true, mode: 0o755 });
  for (const file of files) {
    mkdirSync(dirname(join(temporary, file)), { recursive: true, mode: 0o755 });
    writeFileSync(join(temporary, file), '', { mode: 0o755 });
  }
  symlinkSync('/proc/mounts', join(temporary, 'etc/mtab'));
  renameSync(temporary, path);
}

/** By the topmost layer: an image's layers never change. */
const order = new Map<string, boolean>();

/**
 * An image's layers, topmost first, with the init layer among them: below, so that folders of the image keep their owner and
 * mode. It lies on top where the image has something else than a folder in a place the engine mounts on (a link, say).
 */
export function withInitLayer(initLayer: string, layers: readonly string[]): readonly string[] {
  const [top = ''] = layers;
  let below = order.get(top);
  if (below === undefined) {
    below = ['dev', 'proc', 'sys', 'etc'].every((name) => isFolder(layers, name));
    if (order.size > 1000) order.clear();
    order.set(top, below);
  }
  return below ? [...layers, initLayer] : [initLayer, ...layers];
}

/** True as well when no layer has it. */
function isFolder(layers: readonly string[], name: string): boolean {
  for (const layer of layers) {
    const found = lstatSync(join(layer, name), { throwIfNoEntry: false });
    if (found !== undefined) return found.isDirectory();
  }
  return true;
}
