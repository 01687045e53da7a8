import type { StageState } from './stage-state.ts';

/** `|2 A=1 B=2 /bin/sh -c make`: a step with the ARGs that were in force, as history shows it. */
export function runText(state: StageState, args: readonly string[]): string {
  const values = new Map<string, string>();
  for (const { key, value } of state.buildArgs) values.set(key, state.env.get(key) ?? value ?? '');
  const shown = [...values].map(([key, value]) => `${key}=${value}`);
  return [...(shown.length > 0 ? [`|${shown.length}`] : []), ...shown, ...args].join(' ');
}
