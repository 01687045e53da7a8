/** What the compiler of OCI runtime specs reads. Everything is data: whoever calls resolves paths, pids and facts first. */
import type { ContainerConfig, HostConfig } from '#spec/wire/container.ts';
import type { IdMapping } from '#spec/oci-runtime.ts';
import type { HostFacts } from '#host/facts.ts';

/** What the administrator set in the engine's configuration; see `dockerDefaults` for Docker's values. */
export interface ContainerDefaults {
  runtimes: readonly string[];
  defaultRuntime: string;
  /** Bytes. */
  shmSize: number;
  ipcMode: 'private' | 'shareable';
  /** Undefined: private on cgroup v2, host on v1, as Docker. */
  cgroupnsMode: 'private' | 'host' | undefined;
  logConfig: { Type: string; Config: Record<string, string> };
  ulimits: readonly { Name: string; Soft: number; Hard: number }[];
  init: boolean;
  noNewPrivileges: boolean;
  /** JSON text in Docker's profile format, `unconfined`, or undefined for our own default. */
  seccompProfile: string | undefined;
  cgroupParent: string;
  /** Id ranges of `userns-remap`, or undefined. */
  usernsRemap: IdMaps | undefined;
}

export interface IdMaps {
  uid: IdMapping[];
  gid: IdMapping[];
}

/** One user-visible mount, decided at create time and kept in the container's record as JSON. */
export interface PlannedMount {
  type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** The volume's name, or the image's as it was given; empty for the other types. */
  name: string;
  /** Volume driver; empty for the other types. */
  driver: string;
  /** Host path; empty for tmpfs. For a volume: its data folder (without the subpath). For an image: its id. */
  source: string;
  /** Folder or file inside the volume or image to mount, resolved inside it when mounting; empty for all of it. */
  subpath: string;
  /** Absolute, clean path in the container. The runtime resolves links inside the root. */
  destination: string;
  /** Options as the user gave them, as inspect shows (`ro,z`). */
  mode: string;
  rw: boolean;
  /** rprivate, rslave, rshared, private, slave, shared; empty for volumes without one and for tmpfs. */
  propagation: string;
  /** The source and the engine's data root lie in each other: bound as a slave, lest the container keep the engine's mounts busy. */
  holdsEngine?: boolean | undefined;
  /** How the owners of a bind's files are seen; absent: as they are. */
  idmap?: string | undefined;
  /** Whether mounts below a bind's source come along. */
  recursive: boolean;
  /** For read-only binds: which mounts below become read-only too. */
  readonlyDepth: 'if-possible' | 'top-only' | 'force';
  /** Fill an empty volume with what the image has at the destination. */
  copyUp: boolean;
  /** Make a missing bind source as a folder (`-v` does, `--mount` does not). */
  createSource: boolean;
  /** For tmpfs: mount options such as `size=64m`, `noexec`. */
  tmpfsOptions: string[];
  /** Where it was asked for; decides precedence and what inspect shows. */
  origin: 'binds' | 'mounts' | 'tmpfs' | 'image' | 'volumes-from';
}

/** A namespace that is not the container's own. `path` is `/proc/<pid>/ns/<type>` or a bind-mounted file. */
export type NamespaceChoice = { kind: 'private' } | { kind: 'host' } | { kind: 'join'; path: string };

export interface SpecInput {
  id: string;
  /** Merged with the image (`mergeConfig`). */
  config: ContainerConfig;
  /** Effective (`effectiveHostConfig`): every default filled in. */
  hostConfig: HostConfig;
  facts: HostFacts;
  defaults: ContainerDefaults;
  /** Absolute path of the mounted root file system. Must be mounted: users, groups and devices are read from it. */
  rootfs: string;
  mounts: readonly PlannedMount[];
  /** Layers of the images that are mounted, by id, topmost first. */
  imageLayers?: ReadonlyMap<string, readonly string[]>;
  /** The container's folder under `run`. Images and subpaths of volumes are mounted below it until the runtime has bound them. */
  bundle: string;
  /** Host files bound over /etc/hosts, /etc/hostname and /etc/resolv.conf; undefined leaves the image's own. */
  files: { hosts: string | undefined; hostname: string | undefined; resolvConf: string | undefined };
  /** Where network goes (`join` a netns file), and where modes `container:<id>` point, resolved to /proc/<pid>/ns/... */
  namespaces: {
    network: NamespaceChoice;
    pid: NamespaceChoice;
    ipc: NamespaceChoice;
    uts: NamespaceChoice;
    cgroup: NamespaceChoice;
  };
  /**
   * Path for the runtime, relative to every controller's root, e.g. `/gantry/<id>`.
   */
  cgroupsPath: string;
  /** A host tmpfs to bind on /dev/shm (ipc shareable, container: and host); undefined makes a private one. */
  shmSource: string | undefined;
  /** Terminal size at start: [height, width]. */
  consoleSize: readonly [number, number] | undefined;
}
