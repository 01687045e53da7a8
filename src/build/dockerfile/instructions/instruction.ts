import type { LineRange } from '../../frontend.ts';

/** What every instruction knows of its place in the file. */
export interface Place {
  /** The keyword as written. */
  readonly keyword: string;
  /** The whole instruction as written, continuations joined. */
  readonly original: string;
  readonly range: LineRange;
  readonly comments: readonly string[];
}

export interface Pair {
  readonly key: string;
  readonly value: string;
  /** Written `KEY value`, without the equals sign. */
  readonly legacy: boolean;
}

export interface ArgDefinition {
  readonly key: string;
  readonly value: string | undefined;
}

export interface InlineFile {
  readonly name: string;
  readonly data: string;
  readonly expand: boolean;
}

export interface From extends Place {
  readonly kind: 'from';
  readonly base: string;
  /** As written; undefined without AS. */
  readonly name: string | undefined;
  /** `as` as written. */
  readonly asKeyword: string;
  readonly platform: string | undefined;
}

export interface Transfer extends Place {
  readonly kind: 'add' | 'copy';
  readonly sources: readonly string[];
  readonly files: readonly InlineFile[];
  readonly destination: string;
  readonly from: string | undefined;
  readonly chown: string;
  readonly chmod: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly excludes: readonly string[];
  readonly checksum: string;
  readonly keepGitDir: boolean | undefined;
  readonly unpack: boolean | undefined;
}

/** `--mount` and `--device` values are read when variables are known. */
export interface Run extends Place {
  readonly kind: 'run';
  readonly args: readonly string[];
  readonly shell: boolean;
  readonly files: readonly { readonly name: string; readonly data: string; readonly chomp: boolean }[];
  readonly mounts: readonly string[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly devices: readonly string[];
}

/** Nanoseconds; 0 is the default. */
export interface Health {
  readonly Test: string[];
  readonly Interval: number;
  readonly Timeout: number;
  readonly StartPeriod: number;
  readonly StartInterval: number;
  readonly Retries: number;
}

export type Instruction =
  | From
  | Transfer
  | Run
  | (Place & { readonly kind: 'arg'; readonly args: readonly ArgDefinition[] })
  | (Place & { readonly kind: 'env' | 'label'; readonly pairs: readonly Pair[] })
  | (Place & { readonly kind: 'cmd' | 'entrypoint'; readonly args: readonly string[]; readonly shell: boolean })
  | (Place & { readonly kind: 'workdir'; readonly path: string })
  | (Place & { readonly kind: 'user'; readonly user: string })
  | (Place & { readonly kind: 'volume'; readonly volumes: readonly string[] })
  | (Place & { readonly kind: 'expose'; readonly ports: readonly string[] })
  | (Place & { readonly kind: 'healthcheck'; readonly health: Health })
  | (Place & { readonly kind: 'shell'; readonly shell: readonly string[] })
  | (Place & { readonly kind: 'stopsignal'; readonly signal: string })
  | (Place & { readonly kind: 'onbuild'; readonly expression: string })
  | (Place & { readonly kind: 'maintainer'; readonly maintainer: string });

export type Of<K extends Instruction['kind']> = Extract<Instruction, { kind: K }>;
/** All but FROM and what has a kind of its own. */
export type Command = Exclude<Instruction, From>;

export interface Stage {
  readonly from: From;
  readonly commands: readonly Command[];
}
