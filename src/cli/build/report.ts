import type { NativeBuildEvent } from '#spec/wire/native-build.ts';
import type { Cli } from '../command/cli.ts';
import type { ProgressView } from './progress/view.ts';

const LOG_LINES = 20;

/** The end of what the step wrote, the lines of the Dockerfile, and the reason. */
export function showFailure(cli: Cli, { message, excerpt, vertex }: Extract<NativeBuildEvent, { type: 'failed' }>, view: ProgressView | undefined): void {
  const step = vertex === undefined ? undefined : view?.vertices.all.get(vertex);
  if (step !== undefined && step.tail.length > 0) {
    cli.err.line('------');
    cli.err.line(` > ${step.name}:`);
    for (const line of step.tail.slice(-LOG_LINES)) cli.err.line(line);
    cli.err.line('------');
  }
  cli.err.write(excerpt);
  cli.err.line(`ERROR: ${message.startsWith('failed to solve') ? message : `failed to build: ${message}`}`);
}

type Warning = Extract<NativeBuildEvent, { type: 'warning' }>;

/** What lint rules found. As an answer to `--check` it decides about the exit code. */
export function showWarnings(cli: Cli, warnings: readonly Warning[], check: boolean): number {
  if (check) {
    cli.out.line(warnings.length === 0 ? 'Check complete, no warnings found.' : `Check complete, ${warnings.length} warning${warnings.length === 1 ? ' has' : 's have'} been found!`);
    for (const { rule, url, message, detail, excerpt } of warnings) {
      cli.out.line(`\nWARNING: ${rule}${url === '' ? '' : ` - ${url}`}`);
      cli.out.line(message);
      if (detail !== '' && detail !== message) cli.out.line(detail);
      if (excerpt !== '') cli.out.write(`\n${excerpt}`);
    }
    return warnings.length === 0 ? 0 : 1;
  }
  if (warnings.length === 0) return 0;
  cli.err.line(`\n ${warnings.length} warning${warnings.length === 1 ? '' : 's'} found (use --check to see all):`);
  for (const { rule, detail, message, ranges } of warnings) cli.err.line(` - ${rule}: ${detail || message}${ranges[0] === undefined ? '' : ` (line ${ranges[0].start})`}`);
  return 0;
}
