import { posix } from 'node:path';
import type { Step } from './step.ts';

/** Lint: a source that the ignore file keeps out of the context. Files with exceptions (`!`) are not judged. */
export function reportIgnored(step: Step, source: string): void {
  const { ignore, lint } = step.compilation;
  if (ignore === undefined || ignore.hasExceptions) return;
  const path = posix.normalize(source).replace(/^\/+/, '').replace(/\/+$/, '') || '.';
  if (path === '.' && !ignore.patterns.some((pattern) => ['*', '**', '**/*'].includes(pattern))) return;
  if (ignore.matchesWithParents(path)) lint.report('CopyIgnoredFile', step.range, step.command.kind === 'add' ? 'Add' : 'Copy', path);
}
