/**
 * The engine process: reads its configuration, takes the sockets from the keeper or systemd (or binds them itself), plugs
 * the rooms together and serves. Exit codes: 0 asked to end, 78 refused configuration, 70 unexpected, 1 else.
 */
import { createServer } from 'node:http';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, EngineError, messageOf } from '#base/errors.ts';
import { createLog, type Log } from '#base/log.ts';
import { setCloseOnExec } from '#host/descriptor.ts';
import { type EngineConfig, loadConfig } from './daemon/config.ts';
import { engineCommand } from '#base/engine-command.ts';
import { engineEnvironment, inheritedPipe, watchKeeper } from './daemon/keeper-process.ts';
import { takeLock } from './daemon/lock.ts';
import { openLogFile } from './daemon/log-file.ts';
import { serve } from './daemon/serve.ts';
import { dieOfTheUnexpected, onStopSignals } from './daemon/signals.ts';
import { bindAddresses, inheritedSockets, type Listening } from './daemon/sockets.ts';

async function main(): Promise<void> {
  const config = loadConfig();
  if (config.validate) {
    process.stdout.write('configuration OK\n');
    return;
  }
  process.umask(0o022);
  const log = openLog(config);
  for (const warning of config.warnings) log.warn(warning);
  dieOfTheUnexpected(log);
  mkdirSync(config.run, { recursive: true, mode: 0o711 });
  mkdirSync(config.root, { recursive: true, mode: 0o700 });
  const runLock = lockRun(config);
  await lockRoot(config);
  const sockets = inheritedSockets(process.env, config.addresses) ?? bindAddresses(config);
  writeFileSync(config.pidFile, `${process.pid}\n`);

  await using stack = new AsyncDisposableStack();
  const http = createServer((request, response) => {
    response.end(request.url === '/_ping' ? 'OK' : '');
  });
  stack.use(await serve(http, sockets, config.tls, log));
  keepKeeper(config, sockets, runLock, log);
  log.info('the engine is ready', { pid: process.pid, milliseconds: Math.round(performance.now()) });

  await new Promise<void>((resolve) =>
    onStopSignals((signal) => {
      log.info('the engine ends; containers go on', { signal });
      resolve();
    }),
  );
  // A keeper's next engine writes its own.
  if (process.env['GANTRY_KEEPER_PIPE'] === undefined) rmSync(config.pidFile, { force: true });
}

function openLog(config: EngineConfig): Log {
  const file = process.env['GANTRY_LOG_FILE'];
  return createLog({
    level: config.logLevel,
    format: config.logFormat,
    write: file === undefined ? (line) => process.stderr.write(`${line}\n`) : openLogFile(file, { followStderr: true }),
  });
}

/** The keeper's lock when there is one, else our own: one engine a run folder. */
function lockRun(config: EngineConfig): number {
  const inherited = process.env['GANTRY_LOCK_FD'];
  if (inherited !== undefined) {
    setCloseOnExec(Number(inherited));
    return Number(inherited);
  }
  const lock = takeLock(join(config.run, 'engine.lock'));
  if (lock === undefined) throw new EngineError('unavailable', `another engine runs in ${config.run}`);
  return lock;
}

/** One engine a data root. A former engine that was killed a moment ago may take the kernel a while to take down. */
async function lockRoot(config: EngineConfig): Promise<void> {
  for (let tries = 0; takeLock(join(config.root, 'engine.lock')) === undefined; tries++) {
    if (tries > 200) throw new EngineError('unavailable', `another engine works in ${config.root}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function keepKeeper(config: EngineConfig, sockets: readonly Listening[], lock: number, log: Log): void {
  const alive = inheritedPipe(process.env);
  const logFile = process.env['GANTRY_LOG_FILE'];
  if (alive === undefined || logFile === undefined) return;
  const holdings = {
    run: config.run,
    pidFile: config.pidFile,
    logFile,
    sockets,
    lock,
    command: engineCommand(process.argv[1] ?? '', process.argv.slice(2)),
    env: engineEnvironment(process.env),
  };
  watchKeeper(holdings, alive, (pid) => log.warn('the keeper was gone; another took its place', { pid }));
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(codeOf(error) === 'invalid_argument' ? 78 : 1);
  },
);
