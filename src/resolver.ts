/**
 * The resolver process: answers at 127.0.0.11 in every sandbox with names of its own, whether an engine lives or not. What
 * it must know lies in the run folder. Usage: resolver RUN_FOLDER. Exit codes: 0 nobody needs names any more, 75 another one
 * serves this folder, 1 else.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#base/errors.ts';
import { resolverSocket } from '#network/names/resolver-order.ts';
import { Resolver } from '#network/names/resolver.ts';
import { takeLock } from './daemon/lock.ts';
import { engineBuild } from './daemon/version.ts';

function main(run: string): number {
  mkdirSync(run, { recursive: true, mode: 0o711 });
  if (takeLock(join(run, 'resolver.lock')) === undefined) return 75;
  writeFileSync(join(run, 'resolver.pid'), `${process.pid}\n`);
  const log = (text: string): void => void process.stderr.write(`time=${new Date().toISOString()} level=warn msg=${JSON.stringify(`resolver: ${text}`)}\n`);
  const resolver = new Resolver(run, engineBuild(), log);
  resolver.run();
  for (const path of [join(run, 'resolver.pid'), resolverSocket(run)]) rmSync(path, { force: true });
  return 0;
}

try {
  process.exit(main(process.argv[2] ?? ''));
} catch (error) {
  process.stderr.write(`resolver: ${messageOf(error)}\n`);
  process.exit(1);
}
