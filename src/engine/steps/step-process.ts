import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { minimalEnvironment } from '#host/process.ts';
import { monitorFiles, readRuntimeLog } from '#host/monitor-files.ts';
import { parseRefusal } from '#host/refusal.ts';
import { startablePath } from '#host/sealed-program.ts';
import { pipe, reap, reapSoon, spawnProgram } from '#host/spawn.ts';

export interface StepCommand {
  id: string;
  bundle: string;
  runtime: string;
  stateRoot: string;
  args: readonly string[];
  cwd: string;
  output: (stream: 'stdout' | 'stderr', data: Buffer) => void | Promise<void>;
}

/** The runtime's `run` as a child of the engine: it waits for the program, and the program's output comes straight here. */
export async function runStep(command: StepCommand): Promise<{ exitCode: number; refusal: string | undefined }> {
  const [stdout, stderr, life] = [pipe(), pipe(), pipe()];
  let child: number;
  try {
    child = await spawnProgram({
      path: startablePath(command.runtime),
      args: [`--root=${command.stateRoot}`, `--log=${monitorFiles.runtimeLog(command.bundle)}`, '--log-format=json', 'run', '--bundle', command.bundle, command.id],
      env: minimalEnvironment(),
      cwd: command.bundle,
      stdio: [null, stdout.write, stderr.write],
      // Held by the runtime alone, so its end is the runtime's.
      keep: [life.write],
    });
  } catch (error) {
    for (const each of [stdout, stderr, life]) for (const fd of [each.read, each.write]) closeSync(fd);
    throw error;
  }
  for (const fd of [stdout.write, stderr.write, life.write]) closeSync(fd);
  const readers = [reader(stdout.read, (data) => command.output('stdout', data)), reader(stderr.read, (data) => command.output('stderr', data))];
  await ended(life.read);
  const exitCode = reap(child) ?? (await reapSoon(child));
  // Everything in the sandbox is dead, so the pipes end once they are drained.
  await Promise.all(readers);
  if (exitCode === 0) return { exitCode, refusal: undefined };
  const log = readRuntimeLog(command.bundle);
  if (log === '') return { exitCode, refusal: undefined };
  const refused = parseRefusal(log, { action: 'create', program: command.args[0] ?? '', cwd: command.cwd });
  return { exitCode: refused.exitCode, refusal: refused.message };
}

function reader(fd: number, take: (data: Buffer) => void | Promise<void>): Promise<void> {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on('data', (data: Buffer) => {
    const taken = take(data);
    if (taken === undefined) return;
    socket.pause();
    void taken.finally(() => socket.resume());
  });
  return closed(socket);
}

function ended(fd: number): Promise<void> {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.resume();
  return closed(socket);
}

function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
