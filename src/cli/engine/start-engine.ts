import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { bundled } from '#base/worker-entry.ts';
import { CliError } from '../command/command.ts';
import { findEngine, type OwnEngine, ownFolders } from './own-engine.ts';

const PATIENCE = 30_000;

/**
 * Starts keeper and engine unless they run (any number of callers at once start one pair), and returns once the engine
 * answers. `args` are engine options. Throws with the engine's own words when it cannot.
 */
export async function ensureEngine(options: { args?: readonly string[]; folders?: { root: string; run: string } } = {}): Promise<OwnEngine> {
  const folders = options.folders ?? ownFolders();
  await startKeeper(options.args ?? []);
  await untilAnswers(findEngine(folders).socket, folders);
  return findEngine(folders);
}

async function startKeeper(args: readonly string[]): Promise<void> {
  const script = fileURLToPath(new URL(bundled ? './keeper.js' : '../../keeper.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject).once('close', resolve);
  const [code, words] = await Promise.all([promise, text(child.stderr)]);
  if (code !== 0) throw new CliError(`the engine cannot start: ${words.trim() || `its keeper ended with ${code}`}`);
}

/** Polls until the engine answers; an engine that gave up is told with the end of its log. */
export async function untilAnswers(socket: string, folders: { root: string; run: string } = ownFolders()): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  for (let wait = 5; ; wait = Math.min(wait * 2, 100)) {
    if (await answersPing(socket, deadline - Date.now())) return;
    const { keeper, pid, logFile } = findEngine(folders);
    if ((keeper === undefined && pid === undefined && wait > 20) || Date.now() > deadline) {
      throw new CliError(`the engine does not answer at ${socket}; the last words of its log (${logFile}):\n${lastLines(logFile, 5)}`);
    }
    await delay(wait);
  }
}

function answersPing(socket: string, limit: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ socketPath: socket, path: '/_ping', timeout: Math.max(limit, 1) }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    probe.once('timeout', () => probe.destroy());
    probe.once('error', () => resolve(false));
    probe.end();
  });
}

/** The last lines of a file, read from its end; empty when it cannot be read. */
export function lastLines(path: string, count: number): string {
  try {
    const fd = openSync(path, 'r');
    try {
      const { size } = fstatSync(fd);
      const length = Math.min(size, Math.max(64 * 1024, count * 512));
      const buffer = Buffer.alloc(length);
      readSync(fd, buffer, 0, length, size - length);
      return buffer.toString().trimEnd().split('\n').slice(-count).join('\n');
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}
