/**
 * `npm run bench -- [TOPIC...] [--write]`: Gantry beside what a user would pick instead, interleaved, as medians and ratios.
 *
 * A topic is a file `bench/TOPIC.ts` that exports one async function (`Topic` in harness/topic.ts says what it is given);
 * adding the file is all. Without names every topic runs. `--write` puts the sections of the topics that ran into
 * docs/performance.md and leaves the others as they are.
 *
 * GANTRY_BENCH_PEERS names a folder with `sock/docker.sock` and `sock/podman.sock` of running engines; without it Gantry is
 * alone. GANTRY_BENCH_ROUNDS scales the number of rounds (default 15).
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDockerCli } from '../test/clients/docker-cli.ts';
import { importBusybox } from '../test/clients/host.ts';
import { startSubject } from './harness/gantry-subject.ts';
import { median, time } from './harness/measure.ts';
import { renewPage, section } from './harness/page.ts';
import { Report } from './harness/report.ts';
import type { Bench, Subject, Topic } from './harness/topic.ts';

const page = new URL('../docs/performance.md', import.meta.url);
const image = 'gantry-bench/busybox:1';
const peersFolder = process.env['GANTRY_BENCH_PEERS'] ?? '/nonexistent';

const known = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.ts') && name !== 'bench.ts').map((name) => name.slice(0, -3)).toSorted();
const words = process.argv.slice(2);
const asked = words.filter((word) => word !== '--write');
const unknown = asked.filter((word) => !known.includes(word));
if (unknown.length > 0) {
  process.stderr.write(`bench: no topic ${unknown.join(', ')}; there are: ${known.join(', ')}\n`);
  process.exit(2);
}
const topics = new Map<string, Topic>();
for (const name of asked.length > 0 ? asked : known) topics.set(name, await load(name));

const gantry = await startSubject();
const subjects: Subject[] = [
  { label: 'Gantry, own CLI', cli: gantry.cli, socket: gantry.socket },
  { label: 'Gantry, docker CLI', cli: ['docker'], socket: gantry.socket },
];
for (const [label, name] of [['Docker', 'docker.sock'], ['Podman', 'podman.sock']] as const) {
  const socket = join(peersFolder, 'sock', name);
  if (existsSync(socket)) subjects.push({ label, cli: ['docker'], socket });
}
const engines = subjects.filter((subject) => subject.label !== 'Gantry, docker CLI');
const versions = engines
  .slice(1)
  .map(({ label, socket }) => `${label} ${execFileSync('docker', ['-H', `unix://${socket}`, 'version', '--format', '{{.Server.Version}}'], { encoding: 'utf8' }).trim()}`);

const made = new Map<string, string>();
const failed: string[] = [];
try {
  for (const { socket } of engines) await importBusybox(createDockerCli(`unix://${socket}`), image);
  for (const [name, topic] of topics) {
    const title = name.replaceAll('-', ' ').replace(/^./, (letter) => letter.toUpperCase());
    process.stderr.write(`\n## ${title}\n`);
    const report = new Report(subjects.map(({ label }) => label));
    try {
      await topic(benchFor(report));
      made.set(title, section(title, versions, report.markdown()));
    } catch (error) {
      failed.push(name);
      process.stderr.write(`bench: topic ${name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    }
    await removeLeft();
  }
} finally {
  for (const { socket } of engines) await createDockerCli(`unix://${socket}`)(['rmi', '-f', image]);
  await gantry.stop();
}
process.stdout.write([...made.values()].join('\n'));
if (words.includes('--write')) writeFileSync(page, renewPage(existsSync(page) ? readFileSync(page, 'utf8') : '', made));
process.exitCode = failed.length > 0 ? 1 : 0;

async function load(name: string): Promise<Topic> {
  const functions = Object.values((await import(`./${name}.ts`)) as Record<string, unknown>).filter((value) => typeof value === 'function');
  if (functions.length !== 1) throw new Error(`bench/${name}.ts exports ${functions.length} functions; a topic is one`);
  return functions[0] as Topic;
}

function benchFor(report: Report): Bench {
  const call = (subject: Subject, args: readonly string[]): Promise<number> => time([...subject.cli, ...args], { DOCKER_HOST: `unix://${subject.socket}` });
  return {
    gantry, subjects, engines, image, report, call,
    rounds: Number(process.env['GANTRY_BENCH_ROUNDS'] ?? 15),
    name: (word, subject) => `gantry-bench-${word}-${subjects.indexOf(subject)}`,
    // In turn, so that a noisy moment hits all of them.
    compare: async (row, count, once, among = subjects) => {
      const samples = new Map(among.map(({ label }) => [label, [] as number[]]));
      for (const subject of among) await once(subject, -1);
      for (let round = 0; round < count; round++) {
        for (const subject of among) samples.get(subject.label)!.push(await once(subject, round));
      }
      report.times(row, new Map([...samples].map(([label, values]) => [label, median(values)])));
    },
  };
}

/** Containers of a topic that failed half way. */
async function removeLeft(): Promise<void> {
  for (const { socket } of engines) {
    const docker = createDockerCli(`unix://${socket}`);
    const left = (await docker(['ps', '-aq', '--filter', 'name=gantry-bench'])).stdout.split('\n').filter(Boolean);
    if (left.length > 0) await docker(['rm', '-f', ...left]);
  }
}
