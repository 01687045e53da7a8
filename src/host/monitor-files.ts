import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, isErrno } from '#base/errors.ts';
import { parseRefusal } from './refusal.ts';
import type { MonitorOptions } from './runtime.ts';

/** Files of a monitored process below its bundle. */
export const monitorFiles = {
  pid: (bundle: string) => join(bundle, 'pid'),
  monitorPid: (bundle: string) => join(bundle, 'conmon.pid'),
  attach: (bundle: string) => join(bundle, 'attach'),
  control: (bundle: string) => join(bundle, 'ctl'),
  runtimeLog: (bundle: string) => join(bundle, 'runtime.log'),
  execProcess: (bundle: string) => join(bundle, 'process.json'),
};

/** A pid file's pid, or undefined when it is missing or half written. */
export function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'latin1').trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** What the runtime complained of; empty when it did not. */
export function readRuntimeLog(bundle: string): string {
  try {
    return readFileSync(monitorFiles.runtimeLog(bundle), 'utf8').slice(-65536);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

/** The parts of a bundle's config.json that matter when something went wrong. */
export interface BundleConfig {
  process?: { args: string[]; cwd: string };
  linux?: { cgroupsPath?: string };
}

export function readBundleConfig(bundle: string): BundleConfig {
  return JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as BundleConfig;
}

/** The error for a container or exec that the runtime would not run, with `details.refusal`. */
export function refusal(request: MonitorOptions, complaint: string): EngineError {
  const process = request.exec?.process ?? readBundleConfig(request.bundle).process;
  const parsed = parseRefusal(complaint, {
    action: request.exec === undefined ? 'create' : 'exec',
    program: process?.args[0] ?? '',
    cwd: process?.cwd ?? '/',
  });
  return new EngineError(parsed.exitCode === 128 ? 'internal' : 'invalid_argument', parsed.message, { details: { refusal: parsed } });
}
