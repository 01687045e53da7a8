import { renderPlatform } from '#image/platform.ts';
import type { ImageConfigFile, ImageRunConfig, Platform } from '#spec/oci-image.ts';
import type { FrontendStep, LineRange } from '../../frontend.ts';
import type { ArgDefinition, Command, From } from '../instructions/instruction.ts';
import type { NodeOutput } from './node.ts';

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** An instruction with the stages it takes files from, one for each `--from` and mount. */
export interface PlannedCommand {
  readonly command: Command;
  readonly sources: readonly (StageState | undefined)[];
  readonly onBuild: boolean;
}

/** A step before its tree has a digest. */
export type PlannedStep = Omit<FrontendStep, 'output'> & { readonly output: NodeOutput | undefined };

export type MutableConfig = ImageConfigFile & { config: ImageRunConfig };

/** A stage as far as it is compiled. Images named in `--from` are stages too, without instructions. */
export class StageState {
  readonly from: From;
  /** As progress shows it: `build`, `stage-1`; empty where there is one stage only. */
  title: string;
  readonly dependencies = new Map<StageState, LineRange>();
  commands: PlannedCommand[] = [];
  /** The stage it is FROM. */
  base: StageState | undefined;
  /** An image or context that no FROM names. */
  readonly unregistered: boolean;
  /** With variables put in. */
  baseName: string;
  platform: Platform | undefined;
  resolved = false;
  dispatched = false;
  initialized = false;
  triggersRead = false;
  ignoreCache = false;

  tree: NodeOutput | undefined;
  config: MutableConfig;
  baseConfig: ImageConfigFile | undefined;
  env = new Map<string, string>();
  buildArgs: ArgDefinition[] = [];
  directory = '/';
  workdirSet = false;
  /** Where the last CMD, ENTRYPOINT and HEALTHCHECK of this stage stand. */
  readonly seen = new Map<string, LineRange>();
  readonly contextPaths = new Set<string>();
  readonly steps: PlannedStep[] = [];
  stepTotal = 0;
  stepIndex = 0;

  constructor(from: From, options: { title: string; unregistered: boolean; platform: Platform }) {
    this.from = from;
    this.title = options.title;
    this.unregistered = options.unregistered;
    this.baseName = from.base;
    this.config = emptyConfig(options.platform);
  }

  /** Takes over what the stage it is FROM ended with. ONBUILD triggers stay behind. */
  inherit(): void {
    const { base } = this;
    if (base === undefined || this.initialized) return;
    this.initialized = true;
    this.tree = base.tree;
    this.platform = base.platform;
    this.config = structuredClone(base.config);
    delete this.config.config.OnBuild;
    this.baseConfig = base.baseConfig;
    this.workdirSet = base.workdirSet;
    this.buildArgs = [...base.buildArgs];
  }

  commit(createdBy: string, withLayer: boolean, epoch: number | undefined): void {
    (this.config.history ??= []).push({
      ...(epoch === undefined ? {} : { created: new Date(epoch * 1000).toISOString().replace('.000Z', 'Z') }),
      created_by: createdBy,
      comment: 'buildkit.dockerfile.v0',
      ...(withLayer ? {} : { empty_layer: true }),
    });
  }

  /** `[build 2/5] RUN make`; counts the step. */
  stepName(text: string, options: { onBuild: boolean; multiPlatform: boolean }): string {
    if (this.stepTotal === 0) return text;
    this.stepIndex++;
    const width = 1 + Math.trunc(Math.log10(this.stepTotal));
    const number = String(this.stepIndex).padStart(width);
    const platform = options.multiPlatform && this.platform !== undefined ? `${renderPlatform(this.platform)} ` : '';
    const stage = this.title === '' ? '' : `${this.title} `;
    return `[${platform}${stage}${number}/${this.stepTotal}] ${options.onBuild ? 'ONBUILD ' : ''}${text}`;
  }
}

/** What an image from scratch says of itself. */
export function emptyConfig(platform: Platform): MutableConfig {
  const { os, architecture, variant } = platform;
  return {
    architecture, os, ...(variant === undefined ? {} : { variant }),
    config: { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [] },
    history: [],
  };
}
