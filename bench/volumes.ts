import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDockerCli } from '../test/clients/docker-cli.ts';
import type { Bench, Subject } from './harness/topic.ts';

const BIG = 500;
const MANY = 20_000;
const CHANGED = 50_000;
const VOLUMES = 1000;

/** Copies of much and of many, changes and commits of many files, and what many volumes cost a run. */
export async function volumes({ engines, image, rounds, report, compare, call, name }: Bench): Promise<void> {
  // In memory: the client's disk is not what is measured.
  const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'gantry-bench-volumes-'));
  const docker = ({ socket }: Subject) => createDockerCli(`unix://${socket}`);
  const few = Math.max(3, Math.round(rounds / 4));
  try {
    execFileSync('dd', ['if=/dev/urandom', `of=${join(scratch, 'big')}`, 'bs=1M', `count=${BIG}`], { stdio: 'ignore' });
    for (let folder = 0; folder < 100; folder++) {
      mkdirSync(join(scratch, 'many', String(folder)), { recursive: true });
      for (let file = 0; file < MANY / 100; file++) writeFileSync(join(scratch, 'many', String(folder), String(file)), 'x'.repeat(100 + file * 10));
    }
    for (const subject of engines) await docker(subject).ok(['run', '-d', '--name', name('copies', subject), image, 'top']);
    const target = (subject: Subject): string => name('copies', engines.find(({ socket }) => socket === subject.socket) ?? subject);
    const fresh = async (subject: Subject, ...paths: string[]): Promise<void> => void (await docker(subject).ok(['exec', target(subject), 'rm', '-rf', ...paths]));

    await compare(`\`cp\` of ${BIG} MB in`, few, async (subject) => {
      await fresh(subject, '/big');
      execFileSync('sync');
      return call(subject, ['cp', join(scratch, 'big'), `${target(subject)}:/big`]);
    });
    await compare(`\`cp\` of ${BIG} MB out`, few, async (subject) => {
      rmSync(join(scratch, 'out'), { recursive: true, force: true });
      return call(subject, ['cp', `${target(subject)}:/big`, join(scratch, 'out')]);
    });
    await compare(`\`cp\` of ${MANY} files in`, few, async (subject) => {
      await fresh(subject, '/big', '/many');
      execFileSync('sync');
      return call(subject, ['cp', join(scratch, 'many'), `${target(subject)}:/many`]);
    });
    await compare(`\`cp\` of ${MANY} files out`, few, async (subject) => {
      rmSync(join(scratch, 'out'), { recursive: true, force: true });
      return call(subject, ['cp', `${target(subject)}:/many`, join(scratch, 'out')]);
    });
    for (const subject of engines) await docker(subject).ok(['rm', '-f', name('copies', subject)]);

    for (const subject of engines) {
      await docker(subject).ok(['run', '--name', name('changed', subject), image, 'sh', '-c',
        `mkdir /new; cd /new; i=0; while [ $i -lt ${CHANGED / 200} ]; do mkdir $i; j=0; while [ $j -lt 200 ]; do echo $i$j > $i/$j; j=$((j+1)); done; i=$((i+1)); done`]);
    }
    const changed = (subject: Subject): string => name('changed', engines.find(({ socket }) => socket === subject.socket) ?? subject);
    await compare(`\`diff\` of ${CHANGED} files`, few, (subject) => call(subject, ['diff', changed(subject)]));
    await compare(`\`commit\` of ${CHANGED} files`, 3, async (subject) => {
      const took = await call(subject, ['commit', changed(subject), 'gantry-bench/changed:1']);
      await docker(subject).ok(['rmi', '-f', 'gantry-bench/changed:1']);
      return took;
    });
    for (const subject of engines) await docker(subject).ok(['rm', '-f', changed(subject)]);

    const run = (subject: Subject): Promise<number> => call(subject, ['run', '--rm', '--network', 'none', '-v', 'gantry-bench-used:/v', image, 'true']);
    await compare('`run -v` with no other volume', rounds, run);
    const names = Array.from({ length: VOLUMES }, (_, index) => `gantry-bench-volume-${index}`);
    for (const subject of engines) {
      for (let from = 0; from < VOLUMES; from += 20) await Promise.all(names.slice(from, from + 20).map((volume) => docker(subject).ok(['volume', 'create', volume])));
    }
    await compare(`\`run -v\` with ${VOLUMES} other volumes`, rounds, run);
    await compare(`\`volume ls\` of ${VOLUMES}`, few, (subject) => call(subject, ['volume', 'ls', '-q']));
    for (const subject of engines) await docker(subject).ok(['volume', 'rm', 'gantry-bench-used', ...names]);
    report.note("The client's files lie in memory.");
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
