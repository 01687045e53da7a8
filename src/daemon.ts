/**
 * The engine process: reads its configuration, takes the sockets from the keeper or systemd (or binds them itself), plugs
 * the rooms together and serves. Exit codes: 0 asked to end, 78 refused configuration, 70 unexpected, 1 else.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, EngineError, messageOf } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { createApiServer } from '#api/server/api-server.ts';
import { setCloseOnExec } from '#host/descriptor.ts';
import { createLayout } from '#host/layout.ts';
import { trimMemory } from '#host/trim-memory.ts';
import { type AdjustableLog, createAdjustableLog } from './daemon/adjustable-log.ts';
import { type EngineConfig, loadConfig } from './daemon/config.ts';
import { watchEventLoop } from './daemon/event-loop.ts';
import { engineCommand } from '#base/engine-command.ts';
import { engineEnvironment, inheritedPipe, watchKeeper } from './daemon/keeper-process.ts';
import { takeLock } from './daemon/lock.ts';
import { startResolver } from './daemon/resolver-process.ts';
import { openLogFile } from './daemon/log-file.ts';
import { serve } from './daemon/serve.ts';
import { engineBuild, engineVersion } from './daemon/version.ts';
import { dieOfTheUnexpected, stopSignal } from './daemon/signals.ts';
import { createServices } from './services.ts';
import { bindAddresses, inheritedSockets, type Listening } from './daemon/sockets.ts';

/** Milliseconds that running requests get at the end. */
const GRACE = 500;
/** Milliseconds from readiness until what only starting up needed is given back. */
const TRIM_AFTER = 3000;

async function main(): Promise<void> {
  const config = loadConfig();
  if (config.validate) {
    process.stdout.write('configuration OK\n');
    return;
  }
  process.umask(0o022);
  const { log, setLevel } = openLog(config);
  for (const warning of config.warnings) log.warn(warning);
  dieOfTheUnexpected(log);
  mkdirSync(config.run, { recursive: true, mode: 0o711 });
  mkdirSync(config.root, { recursive: true, mode: 0o700 });
  const runLock = lockRun(config);
  await lockRoot(config);
  const sockets = inheritedSockets(process.env, config.addresses) ?? bindAddresses(config);
  writeFileSync(config.pidFile, `${process.pid}\n`);

  const engine = await createServices({
    layout: createLayout(config.root, config.run),
    log,
    settings: config.settings,
    version: engineVersion(),
    debug: config.debug,
    warnings: config.warnings,
    resolver: { build: engineBuild(), start: () => startResolver(config.run, process.env['GANTRY_LOG_FILE'] ?? '/dev/null') },
  });
  const recovered = await engine.recover();
  const api = createApiServer({ services: engine.services, log, version: engineVersion() });
  const listening = await serve(api, sockets, config.tls, log);
  keepKeeper(config, sockets, runLock, log);
  watchEventLoop(log);
  reloadOnHangup(setLevel, log);
  // The keeper tells a crash while starting from a kill by this file.
  writeFileSync(join(config.run, 'engine.ready'), '');
  setTimeout(trimMemory, TRIM_AFTER).unref();
  log.info('the engine is ready', { pid: process.pid, milliseconds: Math.round(performance.now()), ...recovered });

  const signal = await stopSignal();
  log.info('the engine ends; containers go on', { signal });
  await listening[Symbol.asyncDispose]();
  // Streams (logs -f, events, attach) would go on for ever: after a moment their clients see the end.
  await api.close(GRACE);
  await engine.close();
  // A keeper's next engine writes its own.
  if (process.env['GANTRY_KEEPER_PIPE'] === undefined) rmSync(config.pidFile, { force: true });
}

function openLog(config: EngineConfig): AdjustableLog {
  const file = process.env['GANTRY_LOG_FILE'];
  return createAdjustableLog({
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

/** SIGHUP reads the log level anew; other options take a restart, which costs nothing. */
function reloadOnHangup(setLevel: AdjustableLog['setLevel'], log: Log): void {
  process.on('SIGHUP', () => {
    try {
      const { logLevel } = loadConfig();
      setLevel(logLevel);
      log.info('the configuration was read anew', { logLevel });
    } catch (error) {
      log.error('the configuration was not read anew', { error });
    }
  });
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
