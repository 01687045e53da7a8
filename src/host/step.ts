/** One RUN of a build: what the build room asks and the engine room does. A short-lived sandbox without a monitor. */
import type { Platform } from '#spec/oci-image.ts';

export type StepMount =
  /** A tree of layers, or the part of it that `selector` names. With `upper` what is written lands there, else nowhere. */
  | { kind: 'tree'; lower: readonly string[]; scratch: { upper: string; work: string } | undefined; selector: string; destination: string; readOnly: boolean }
  /** A folder of the host that outlives the step. */
  | { kind: 'folder'; path: string; selector: string; destination: string; readOnly: boolean }
  | { kind: 'tmpfs'; destination: string; size: number }
  /** A file in memory. */
  | { kind: 'secret'; destination: string; data: Uint8Array; uid: number; gid: number; mode: number }
  /** A socket at which this process listens. */
  | { kind: 'socket'; destination: string; path: string };

export interface StepRequest {
  readonly id: string;
  readonly root: { readonly lower: readonly string[]; readonly upper: string; readonly work: string; readonly readOnly: boolean };
  readonly mounts: readonly StepMount[];
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly hostname: string;
  readonly extraHosts: readonly { host: string; ip: string }[];
  readonly ulimits: readonly { name: string; soft: number; hard: number }[];
  /** Bytes; 0 is the default. */
  readonly shmSize: number;
  /** `sandbox` is the default network; other names are networks of the engine; `container:<name>` shares one's. */
  readonly network: 'sandbox' | 'host' | 'none' | (string & {});
  readonly insecure: boolean;
  /** Tell of it in the engine's events, as of a container. */
  readonly announced: boolean;
  readonly platform: Platform | undefined;
  /** Called with what the program writes, in order; a promise holds further output back. */
  readonly output: (stream: 'stdout' | 'stderr', data: Buffer) => void | Promise<void>;
  readonly signal: AbortSignal;
}

export interface StepResult {
  readonly exitCode: number;
  /** The kernel killed something of it for want of memory. */
  readonly oomKilled: boolean;
  /** Why the runtime could not run the program, where it could not. */
  readonly refusal: string | undefined;
}

export interface StepLimits {
  /** Bytes; 0 is unlimited. */
  readonly memory: number;
  readonly memorySwap: number;
  readonly cpuShares: number;
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  /** Parent cgroup; empty is the engine's. */
  readonly cgroupParent: string;
}

/** What the steps of one build share: limits and a pool of networks. Dispose when no step runs any more. */
export interface StepSession extends AsyncDisposable {
  /** Rejects when the step could not be made; a program that fails is a result. Aborting kills it and rejects. */
  run(request: StepRequest): Promise<StepResult>;
}

export interface StepRunner {
  /** `name` is for people: it names the cgroup. */
  open(name: string, limits: StepLimits): StepSession;
  /** At start: takes away what steps of a killed engine left. */
  recover(): Promise<void>;
}
