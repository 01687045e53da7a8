import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** Where everything lies. `root` outlives a reboot, `run` does not. Both are mode 0700; the socket's folder is 0755. */
export interface Layout {
  /**
   * Empty for the machine's own engine (its run folder is /run/gantry), else six hex digits derived from the run folder.
   * Names that are global on the machine (bridge, nft table, cgroup) carry it, so that engines do not collide.
   */
  readonly instance: string;
  readonly root: string;
  readonly run: string;
  readonly database: string;
  readonly blobs: string;
  readonly layers: string;
  readonly containers: string;
  readonly volumes: string;
  readonly tmp: string;
  /** Parts of blobs that a registry began to send; they outlive a restart, so that the next try goes on from there. */
  readonly downloads: string;
  readonly netns: string;
  /** conmon writes `<container id>` (or exec id) files with the exit status here. */
  readonly exits: string;
  /** crun's `--root`. */
  readonly runtimeState: string;
  /** Per container under `root`: upper, work, merged, log, hosts, hostname, resolv.conf. */
  container(id: string): string;
  /** Per container under `run`: the OCI bundle with config.json, pid files, attach socket, ctl fifo. */
  bundle(id: string): string;
}

export function createLayout(root: string, run: string): Layout {
  return {
    instance: run === '/run/gantry' ? '' : createHash('sha256').update(run).digest('hex').slice(0, 6),
    root,
    run,
    database: join(root, 'state.db'),
    blobs: join(root, 'blobs', 'sha256'),
    layers: join(root, 'layers'),
    containers: join(root, 'containers'),
    volumes: join(root, 'volumes'),
    tmp: join(root, 'tmp'),
    downloads: join(root, 'downloads'),
    netns: join(run, 'netns'),
    exits: join(run, 'exits'),
    runtimeState: join(run, 'crun'),
    container: (id) => join(root, 'containers', id),
    bundle: (id) => join(run, 'containers', id),
  };
}
