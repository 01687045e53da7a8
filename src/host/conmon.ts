import { closeSync, constants, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { EngineError, isErrno } from '#base/errors.ts';
import { connectAttachSocket } from './attach-socket.ts';
import { killCgroup, removeCgroup, type CgroupHierarchies } from './cgroup.ts';
import { StdinWatch } from './closed-stdin.ts';
import { createCrun } from './crun.ts';
import { makeExecExitDir, readExitFile, removeExitFile, watchExitFiles } from './exit-files.ts';
import { execDirectly } from './direct-exec.ts';
import { LineReader } from './line-reader.ts';
import { monitorFiles, readBundleConfig, readPid, readRuntimeLog, refusal } from './monitor-files.ts';
import { minimalEnvironment, processes } from './process.ts';
import type { AttachConnection, ExitStatus, Monitor, MonitoredProcess, MonitorOptions } from './runtime.ts';
import { pipe, reap, spawnProgram } from './spawn.ts';
import { WaitingRuntimes } from './waiting-runtime.ts';

export interface ConmonOptions {
  /** conmon's own path. */
  path: string;
  /** Milliseconds for the runtime to create a container or enter one. */
  deadline?: number;
  cgroups: CgroupHierarchies;
  /** Whether the kernel killed a process of this container for want of memory; asked once it ended. */
  oomKilled: (id: string) => boolean;
}

/** The `Monitor` port on conmon 2.1. */
export function createConmon(options: ConmonOptions): Monitor {
  const deadline = options.deadline ?? 60_000;
  const withOom = (id: string, status: { code: number; at: bigint }): ExitStatus => ({ ...status, oomKilled: options.oomKilled(id) });
  // Execs that run without a monitor, until their client attached.
  const direct = new Map<string, AttachConnection>();
  const waiting = new WaitingRuntimes(options.cgroups);
  return {
    expect: (target) => waiting.prepare(target),
    launch: async (request, beforeStart) => {
      const { exec } = request;
      if (exec === undefined) return launch(options, deadline, request, beforeStart);
      const ready = await waiting.take({ ...request, exec });
      if (request.terminal || beforeStart === undefined) {
        ready?.dismiss();
        return launch(options, deadline, request, beforeStart);
      }
      const { process, connection } = await execDirectly({ ...request, exec }, options.cgroups, deadline, ready);
      direct.set(request.bundle, connection);
      try {
        await beforeStart();
      } finally {
        // Nobody came: its output is dropped.
        if (direct.delete(request.bundle)) connection.close();
      }
      return process;
    },
    attach: async (bundle, how) => {
      const connection = direct.get(bundle);
      direct.delete(bundle);
      return connection ?? attach(bundle, how?.input ?? true);
    },
    resize: async (bundle, size) => {
      control(bundle, `1 ${clampCells(size.height)} ${clampCells(size.width)}\n`);
    },
    reopenLog,
    settle,
    watchExits: (exitDir, onExit) => watchExitFiles(exitDir, (id, status) => onExit(id, withOom(id, status))),
    readExit: (exitDir, id) => {
      const status = readExitFile(exitDir, id);
      return status === undefined ? undefined : withOom(id, status);
    },
    forgetExit: removeExitFile,
  };
}

/** conmon ignores a window larger than 1000 cells. */
function clampCells(cells: number): number {
  return Math.max(0, Math.min(1000, Math.trunc(cells)));
}

function commandLine(request: MonitorOptions, exitDir: string, waits: boolean): string[] {
  const { bundle, exec, log } = request;
  const args = [
    '--api-version', '1',
    '-c', exec?.container ?? request.id,
    '-u', request.id,
    '-n', request.id.slice(0, 12),
    '-r', request.runtime,
    '-b', bundle,
    '-p', exec?.pidFile ?? monitorFiles.pid(bundle),
    '-P', monitorFiles.monitorPid(bundle),
    '--exit-dir', exitDir,
    '--full-attach',
    '--no-sync-log',
    '--log-level', 'error',
    '-l', log === undefined ? 'none' : `k8s-file:${log.path}`,
    '--runtime-arg', `--root=${request.runtimeState}`,
    // What the runtime says after it set up a terminal never reaches conmon.
    '--runtime-arg', `--log=${monitorFiles.runtimeLog(bundle)}`,
    '--runtime-arg', '--log-format=json',
  ];
  if (log?.maxBytes !== undefined) args.push('--log-size-max', String(log.maxBytes));
  if (request.terminal) args.push('-t');
  if (request.stdin) args.push('-i');
  // With a terminal conmon would close the pty's master side and no later client could type.
  if (request.stdin && (request.stdinStaysOpen || request.terminal)) args.push('--leave-stdin-open');
  if (exec !== undefined) args.push('-e', '--exec-process-spec', monitorFiles.execProcess(bundle));
  if (waits) args.push('--exec-attach');
  return args;
}

/** `TMPDIR` holds conmon's console socket for a moment; a socket's path is short. */
function temporaryFolder(bundle: string): string {
  const folder = dirname(bundle);
  return Buffer.byteLength(folder) <= 80 ? folder : '/tmp';
}

async function launch(
  { path, cgroups }: Pick<ConmonOptions, 'path' | 'cgroups'>,
  deadline: number,
  request: MonitorOptions,
  beforeStart: (() => Promise<void>) | undefined,
): Promise<MonitoredProcess> {
  const { bundle, exec } = request;
  const exitDir = exec === undefined ? request.exitDir : makeExecExitDir(request.exitDir, request.id);
  if (exec !== undefined) writeFileSync(monitorFiles.execProcess(bundle), JSON.stringify(exec.process), { mode: 0o600 });

  const sync = pipe();
  const start = pipe();
  const attached = exec === undefined || beforeStart === undefined ? undefined : pipe();
  const open = new Set([sync.read, sync.write, start.read, start.write, ...(attached ? [attached.read, attached.write] : [])]);
  const close = (fd: number): void => {
    if (open.delete(fd)) closeSync(fd);
  };
  const lines = (fd: number): LineReader => {
    open.delete(fd);
    return new LineReader(fd);
  };
  let child = 0;
  let reports: LineReader | undefined;
  let attachReports: LineReader | undefined;
  const expiry = AbortSignal.timeout(deadline);
  try {
    // conmon waits for a first byte before it forks; it is there already.
    writeSync(start.write, '\0');
    child = await spawnProgram({
      path,
      args: commandLine(request, exitDir, attached !== undefined),
      cwd: bundle,
      env: {
        ...minimalEnvironment(),
        TZ: 'UTC0',
        TMPDIR: temporaryFolder(bundle),
        _OCI_SYNCPIPE: String(sync.write),
        _OCI_STARTPIPE: String(start.read),
        ...(attached ? { _OCI_ATTACHPIPE: String(attached.write) } : {}),
      },
      stdio: [null, null, sync.write],
      // conmon holds the reading end of its own report pipe as well: it would end when a report met a broken pipe,
      // and it has to outlive the engine.
      keep: [sync.write, sync.read, start.read, ...(attached ? [attached.write] : [])],
    });
    close(sync.write);
    close(start.read);
    if (attached) close(attached.write);
    reports = lines(sync.read);
    if (attached) {
      attachReports = lines(attached.read);
      if ((await attachReports.next(expiry)) !== undefined) await beforeStart?.();
      writeSync(start.write, '\0');
    }
    const pid = await createdPid(reports, request, expiry);
    return { pid, monitorPid: await monitorPid(bundle, child) };
  } catch (error) {
    killMonitor(bundle);
    if (exec === undefined) await removeHalfMade(request, cgroups);
    else removeExitFile(request.exitDir, request.id);
    if (expiry.aborted) {
      throw new EngineError('unavailable', `the runtime did not ${exec ? 'enter' : 'create'} the container within ${deadline / 1000} s`, { cause: error });
    }
    throw error;
  } finally {
    reports?.close();
    attachReports?.close();
    for (const fd of open) closeSync(fd);
    if (child > 0) collect(child);
  }
}

/** What a runtime that failed or was killed while creating may have left: its state, cgroups and a process in them. */
async function removeHalfMade(request: MonitorOptions, cgroups: CgroupHierarchies): Promise<void> {
  const name = basename(request.runtime);
  await createCrun({ path: request.runtime, name, stateRoot: request.runtimeState, cgroups }).delete(request.id);
  const path = readBundleConfig(request.bundle).linux?.cgroupsPath;
  if (path?.startsWith('/') === true && !removeCgroup(cgroups, path)) {
    killCgroup(cgroups, path);
    removeCgroup(cgroups, path);
  }
}

/** conmon's first process ends as soon as it forked. */
function collect(child: number): void {
  if (reap(child) === undefined) setTimeout(() => collect(child), 5).unref();
}

/** The report of the runtime's outcome; what is no JSON is conmon's own complaint. */
async function createdPid(reports: LineReader, request: MonitorOptions, expiry: AbortSignal): Promise<number> {
  const said: string[] = [];
  for (;;) {
    const line = await reports.next(expiry);
    if (line === undefined) {
      throw refusal(request, readRuntimeLog(request.bundle) || said.join('\n') || 'conmon ended without a report');
    }
    const report = parseReport(line);
    if (report === undefined) said.push(line);
    else if (report.data > 0) return report.data;
    else throw refusal(request, readRuntimeLog(request.bundle) || (report.message ?? said.join('\n')));
  }
}

function parseReport(line: string): { data: number; message: string | undefined } | undefined {
  try {
    const report: unknown = JSON.parse(line);
    if (typeof report !== 'object' || report === null || !('data' in report) || typeof report.data !== 'number') return undefined;
    return { data: report.data, message: 'message' in report && typeof report.message === 'string' ? report.message : undefined };
  } catch {
    return undefined;
  }
}

async function monitorPid(bundle: string, child: number): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const pid = readPid(monitorFiles.monitorPid(bundle));
    if (pid !== undefined) return pid;
    // Written by the process that is about to end.
    if (tries > 0 && reap(child) !== undefined) break;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return readPid(monitorFiles.monitorPid(bundle)) ?? 0;
}

/**
 * Ends the monitor of this bundle, if it is one: a pid whose command line names the bundle. With it goes a runtime that is
 * still creating; a container that runs stays.
 */
export function killMonitor(bundle: string): boolean {
  const pid = readPid(monitorFiles.monitorPid(bundle));
  if (pid === undefined || !isMonitorOf(pid, bundle)) return false;
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}

/** conmon needs some milliseconds from the end of the process to its own; it may be blocked by a client that does not read. */
async function settle(bundle: string): Promise<void> {
  const pid = readPid(monitorFiles.monitorPid(bundle));
  if (pid === undefined) return;
  for (let waited = 0; waited < 2000 && isMonitorOf(pid, bundle); waited += 2) await new Promise((resolve) => setTimeout(resolve, 2));
  killMonitor(bundle);
}

/**
 * Every live conmon whose bundle lies below `folder`, whatever its pid file says: also one whose engine died before it
 * could note the pid. Reads /proc; for the start of an engine.
 */
export function findMonitors(folder: string): { pid: number; startTime: number; bundle: string }[] {
  const found: { pid: number; startTime: number; bundle: string }[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const bundle = bundleOf(Number(name));
    const startTime = bundle?.startsWith(`${folder}/`) === true ? processes.startTime(Number(name)) : undefined;
    if (bundle !== undefined && startTime !== undefined) found.push({ pid: Number(name), startTime, bundle });
  }
  return found;
}

function bundleOf(pid: number): string | undefined {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return args.includes('--full-attach') ? args[args.indexOf('-b') + 1] : undefined;
  } catch {
    return undefined;
  }
}

/** True when `pid` is a live conmon that serves this bundle. */
export function isMonitorOf(pid: number, bundle: string): boolean {
  return processes.startTime(pid) !== undefined && bundleOf(pid) === bundle;
}

/** Asks whether the monitored process is known to have ended. */
function endOf(bundle: string): () => boolean {
  let known: { pid: number; startTime: number } | undefined;
  return () => {
    if (known === undefined) {
      const pid = readPid(monitorFiles.pid(bundle));
      if (pid === undefined) return false;
      const startTime = processes.startTime(pid);
      if (startTime === undefined) return true;
      known = { pid, startTime };
    }
    return !processes.isAlive(known.pid, known.startTime);
  };
}

async function attach(bundle: string, input: boolean): Promise<AttachConnection> {
  try {
    const ended = endOf(bundle);
    return connectAttachSocket({ path: monitorFiles.attach(bundle), input, ended, stdin: new StdinWatch(() => readPid(monitorFiles.monitorPid(bundle)), ended) });
  } catch (cause) {
    throw new EngineError('unavailable', 'the container’s monitor does not answer on its attach socket', { cause });
  }
}

/** Writes one message to conmon's control fifo; drops it when conmon is gone. */
function control(bundle: string, message: string): boolean {
  let fd: number;
  try {
    fd = openSync(monitorFiles.control(bundle), constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    // ENXIO: nobody reads any more.
    if (isErrno(error, 'ENXIO', 'ENOENT')) return false;
    throw error;
  }
  try {
    writeSync(fd, message);
    return true;
  } finally {
    closeSync(fd);
  }
}

async function reopenLog(bundle: string, path: string): Promise<void> {
  const before = inode(path);
  if (!control(bundle, '2 0 0\n')) return;
  for (let waited = 0; waited < 5000; waited += 2) {
    const now = inode(path);
    if (now !== undefined && now !== before) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new EngineError('unavailable', 'the container’s monitor did not reopen its log file within 5 s');
}

function inode(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}
