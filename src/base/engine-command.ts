/**
 * The engine's program and arguments. A small young generation and no worker pool for the compiler keep an idle engine
 * small: what it holds for long is little.
 */
export function engineCommand(script: string, args: readonly string[]): string[] {
  return [process.execPath, '--max-semi-space-size=4', '--disable-warning=ExperimentalWarning', script, ...args];
}
