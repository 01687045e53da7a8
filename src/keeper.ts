/**
 * Starts a keeper (`keeper.sh`) for an engine and ends: reads the configuration, takes the run folder's lock, binds the
 * sockets and hands all to the shell script, which costs a megabyte where a second Node would cost forty.
 * Exit codes: 0 the sockets listen (made now, or by another at the same time), 78 the configuration is refused, 1 else.
 */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf, messageOf } from '#base/errors.ts';
import { bundled } from '#base/worker-entry.ts';
import { closeAllOnExec } from '#host/descriptor.ts';
import { pipe } from '#host/spawn.ts';
import { loadConfig } from './daemon/config.ts';
import { engineEnvironment, startKeeper } from './daemon/keeper-process.ts';
import { engineCommand } from '#base/engine-command.ts';
import { logPath } from './daemon/log-file.ts';
import { takeLock } from './daemon/lock.ts';
import { bindAddresses } from './daemon/sockets.ts';

async function main(): Promise<void> {
  closeAllOnExec();
  const config = loadConfig();
  process.umask(0o022);
  mkdirSync(config.run, { recursive: true, mode: 0o711 });
  mkdirSync(config.root, { recursive: true, mode: 0o700 });
  const lock = takeLock(join(config.run, 'engine.lock'));
  if (lock === undefined) return;
  const logFile = logPath(config.root);
  mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
  await startKeeper(
    {
      run: config.run,
      pidFile: config.pidFile,
      logFile,
      sockets: bindAddresses(config),
      lock,
      command: engineCommand(fileURLToPath(new URL(bundled ? './daemon.js' : './daemon.ts', import.meta.url)), process.argv.slice(2)),
      env: engineEnvironment(process.env),
    },
    pipe(),
  );
}

main().catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = codeOf(error) === 'invalid_argument' ? 78 : 1;
});
