import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
