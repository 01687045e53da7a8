import { normalize, renderPlatform } from '#image/platform.ts';
import type { IgnorePatterns } from '#spec/ignore-patterns.ts';
import type { Platform } from '#spec/oci-image.ts';
import type { FrontendRequest } from '../../frontend.ts';
import type { Linter } from '../lint/linter.ts';
import type { ParsedFile } from '../parser/line.ts';
import type { Budget } from './budget.ts';
import type { NodeOutput } from './node.ts';

/** What every part of a compilation for one platform works with. */
export interface Compilation {
  readonly request: FrontendRequest;
  readonly escape: ParsedFile['escape'];
  readonly target: Platform;
  /** No platform was asked for: the base image's own is taken where it differs. */
  readonly implicitTarget: boolean;
  readonly multiPlatform: boolean;
  readonly globals: ReadonlyMap<string, string>;
  readonly lint: Linter;
  readonly epoch: number | undefined;
  readonly budget: Budget;
  /** The main context; its paths are collected while instructions are compiled. */
  readonly mainContext: { readonly tree: NodeOutput | undefined; readonly paths: Set<string> };
  /** Undefined: nothing is ignored. */
  readonly ignore: IgnorePatterns | undefined;
  /** What the context has though it is ignored, since the build itself needs it: no copy takes it. */
  readonly hidden: readonly string[];
}

/** ARGs that every Dockerfile has in its global scope, `--build-arg` first. */
export function platformArguments(request: FrontendRequest, target: Platform, targetName: string): Map<string, string> {
  const values = new Map<string, string>();
  const add = (prefix: string, platform: Platform): void => {
    const normal = normalize(platform);
    values.set(`${prefix}PLATFORM`, renderPlatform(normal));
    values.set(`${prefix}OS`, normal.os);
    values.set(`${prefix}OSVERSION`, normal['os.version'] ?? '');
    values.set(`${prefix}ARCH`, normal.architecture);
    values.set(`${prefix}VARIANT`, normal.variant ?? '');
  };
  add('BUILD', request.buildPlatform);
  add('TARGET', target);
  values.set('TARGETSTAGE', targetName === '' ? 'default' : targetName);
  for (const name of values.keys()) {
    const given = Object.hasOwn(request.buildArgs, name) ? request.buildArgs[name] : undefined;
    if (given !== undefined) values.set(name, given);
  }
  return values;
}
