import { fileURLToPath } from 'node:url';
import { bundled } from '#base/worker-entry.ts';
import { spawnProgram } from '#host/spawn.ts';
import { engineEnvironment } from './keeper-process.ts';

/**
 * Starts the resolver of a run folder with a shell that keeps it running; both outlive this process. Resolves to the
 * shell's pid. Where one runs already the new one ends at once.
 */
export function startResolver(run: string, logFile: string): Promise<number> {
  const beside = (name: string, source: string): string => fileURLToPath(new URL(bundled ? `./${name}` : `../${source}`, import.meta.url));
  // Interpreted: what a name means is remembered, the rest is the kernel's work, and compiled code would be memory.
  const flags = bundled ? ['--jitless'] : ['--disable-warning=ExperimentalWarning'];
  return spawnProgram({
    path: '/bin/sh',
    args: [beside('resolver.sh', 'resolver.sh'), run, logFile, process.execPath, '--v8-pool-size=0', '--max-semi-space-size=1', ...flags, beside('resolver.js', 'resolver.ts'), run],
    env: engineEnvironment(process.env),
    cwd: '/',
  });
}
