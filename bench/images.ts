import { rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDockerCli } from '../test/clients/docker-cli.ts';
import { startBenchRegistry } from './harness/image-fixture.ts';
import type { Bench, Subject } from './harness/topic.ts';

const rows = [
  ['tiny', 'pull of 2 MB', 5],
  ['twelve', 'pull of 12 layers, 400 MB', 3],
  ['single', 'pull of one layer of 600 MB', 3],
  ['small', 'pull of 100,000 small files', 3],
] as const;

/** Images between a registry on loopback, the engine and archives. */
export async function images({ gantry, subjects, engines: all, rounds, compare, call, report }: Bench): Promise<void> {
  // Podman takes plain HTTP only from registries that its configuration names.
  const engines = all.filter(({ label }) => label !== 'Podman');
  const clients = subjects.filter(({ label }) => label !== 'Podman');
  const times = (count: number): number => Math.max(1, Math.round((count * rounds) / 15));
  const registry = await startBenchRegistry();
  const named = (shape: string): string => `${registry.host}/bench/${shape}:1`;
  const cli = (subject: Subject): ReturnType<typeof createDockerCli> => createDockerCli(`unix://${subject.socket}`);
  const drop = async (subject: Subject, ...names: string[]): Promise<void> => void (await cli(subject)(['rmi', '-f', ...names]));
  // Memory and disk writes of one must not fall into the time of the next.
  const settle = async (): Promise<void> => void (await call(subjects[0]!, ['version']));
  try {
    await gantry.resetPeakMemory();
    const rest = gantry.peakMemory();
    for (const [shape, row, count] of rows) {
      await compare(row, times(count), async (subject) => {
        await drop(subject, named(shape));
        await settle();
        const taken = await call(subject, ['pull', '-q', named(shape)]);
        await drop(subject, named(shape));
        return taken;
      }, shape === 'tiny' ? clients : engines);
    }
    const peak = gantry.peakMemory();
    for (const subject of engines) await call(subject, ['pull', '-q', named('ten-a')]);
    await compare('pull of an image that shares nine of ten layers', times(3), async (subject) => {
      await drop(subject, named('ten-b'));
      return call(subject, ['pull', '-q', named('ten-b')]);
    }, engines);
    const target = (subject: Subject, round: number): string => `${registry.host}/pushed/${subjects.indexOf(subject)}-${Date.now()}:r${round}`;
    await compare('push of ten layers (100 MB), nine known to the repository beside', times(3), async (subject, round) => {
      const name = target(subject, round);
      await call(subject, ['tag', named('ten-b'), name]);
      const taken = await call(subject, ['push', '-q', name]);
      await drop(subject, name);
      return taken;
    }, engines);
    for (const subject of engines) await call(subject, ['pull', '-q', named('twelve')]);
    const file = (subject: Subject): string => join(tmpdir(), `gantry-bench-${subjects.indexOf(subject)}.tar`);
    await compare('`save` of 12 layers, 400 MB', times(3), async (subject) => {
      rmSync(file(subject), { force: true });
      return call(subject, ['save', '-o', file(subject), named('twelve')]);
    }, engines);
    await compare('`load` of what was saved', times(3), async (subject) => {
      await drop(subject, named('twelve'));
      return call(subject, ['load', '-q', '-i', file(subject)]);
    }, engines);
    for (const subject of engines) report.note(`What ${subject.label} saved: ${(statSync(file(subject)).size / 1e6).toFixed(0)} MB.`);
    for (const subject of subjects) rmSync(file(subject), { force: true });
    report.note(`Engine's peak memory while pulling (RSS) above that before: ${((peak - rest) / 1e6).toFixed(0)} MB.`);
  } finally {
    for (const subject of engines) await drop(subject, ...rows.map(([shape]) => named(shape)), named('ten-a'), named('ten-b'));
    await registry.stop();
  }
}
