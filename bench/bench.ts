/**
 * `npm run bench`: Gantry beside what a user would pick instead, in one run, interleaved, as medians and ratios.
 *
 * GANTRY_BENCH_PEERS names a folder with `sock/docker.sock` and `sock/podman.sock` of running engines; without it the
 * table has bare `crun run` as its only neighbour. GANTRY_BENCH_ROUNDS scales the number of rounds (default 15).
 */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDockerCli } from '../test/clients/docker-cli.ts';
import { importBusybox } from '../test/clients/host.ts';
import { crunBundle } from './crun-bundle.ts';
import { startSubject, type GantrySubject } from './gantry-subject.ts';
import { execThroughApi, median, rate, time } from './measure.ts';
import { Report } from './report.ts';

const image = 'gantry-bench/busybox:1';
const rounds = Number(process.env['GANTRY_BENCH_ROUNDS'] ?? 15);
const peersFolder = process.env['GANTRY_BENCH_PEERS'];

interface Subject {
  label: string;
  /** The words before the arguments: a CLI. */
  cli: readonly string[];
  socket: string;
}

const gantry: GantrySubject = await startSubject();
const subjects: Subject[] = [
  { label: 'Gantry, own CLI', cli: gantry.cli, socket: gantry.socket },
  { label: 'Gantry, docker CLI', cli: ['docker'], socket: gantry.socket },
];
for (const [label, name] of [
  ['Docker', 'docker.sock'],
  ['Podman', 'podman.sock'],
] as const) {
  const socket = join(peersFolder ?? '/nonexistent', 'sock', name);
  if (existsSync(socket)) subjects.push({ label, cli: ['docker'], socket });
}
const engines = subjects.filter((subject) => subject.label !== 'Gantry, docker CLI');
const report = new Report(subjects.map((subject) => subject.label));
const hostOf = (subject: Subject): Record<string, string> => ({ DOCKER_HOST: `unix://${subject.socket}` });
const call = (subject: Subject, args: readonly string[]): Promise<number> => time([...subject.cli, ...args], hostOf(subject));

/** Every subject once a round, in turn, so that a noisy moment hits all of them. */
async function compare(row: string, count: number, once: (subject: Subject, round: number) => Promise<number>, among = subjects): Promise<void> {
  const samples = new Map(among.map((subject) => [subject.label, [] as number[]]));
  for (const subject of among) await once(subject, -1);
  for (let round = 0; round < count; round++) {
    for (const subject of among) samples.get(subject.label)!.push(await once(subject, round));
  }
  report.times(row, new Map([...samples].map(([label, values]) => [label, median(values)])));
  process.stderr.write(`${report.lastLine()}\n`);
}

try {
  for (const subject of engines) await importBusybox(createDockerCli(`unix://${subject.socket}`), image);

  await compare('`run --rm` of `true`, bridge', rounds, (subject) => call(subject, ['run', '--rm', image, 'true']));
  await compare('`run --rm` of `true`, `--network none`', rounds, (subject) => call(subject, ['run', '--rm', '--network', 'none', image, 'true']));

  const sleeper = (subject: Subject): string => `gantry-bench-${subjects.indexOf(subject)}`;
  for (const subject of subjects) await call(subject, ['run', '-d', '--name', sleeper(subject), image, 'sleep', '100000']);
  await compare('`exec` of `true`', rounds, (subject) => call(subject, ['exec', sleeper(subject), 'true']));
  await compare('`exec` of `true` through the API, without a CLI', rounds, (subject) => execThroughApi(subject.socket, sleeper(subject)), engines);
  for (const subject of subjects) await call(subject, ['rm', '-f', sleeper(subject)]);

  await gantry.resetEventLoopDelay();
  await compare('twenty `run --rm` at once', Math.ceil(rounds / 5), async (subject) => {
    const began = process.hrtime.bigint();
    await Promise.all(Array.from({ length: 20 }, () => call(subject, ['run', '--rm', image, 'true'])));
    return Number(process.hrtime.bigint() - began) / 1e6;
  });
  const delay = await gantry.eventLoopDelay();

  const created: string[][] = subjects.map(() => []);
  await compare('`create`', rounds, async (subject, round) => {
    const name = `gantry-bench-create-${subjects.indexOf(subject)}-${round + 1}`;
    created[subjects.indexOf(subject)]!.push(name);
    return call(subject, ['create', '--name', name, image, 'true']);
  });
  for (const subject of subjects) await call(subject, ['rm', ...created[subjects.indexOf(subject)]!]);

  for (const subject of engines) {
    const docker = createDockerCli(`unix://${subject.socket}`);
    for (let count = 0; count < 200; count += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, index) => docker.ok(['create', '--name', `gantry-bench-ps-${count + index}`, image, 'true'])));
    }
  }
  await compare('`ps -a` with 200 containers', rounds, (subject) => call(subject, ['ps', '-a']));
  const rates = async (row: string, path: string): Promise<void> => {
    const values = new Map<string, number>();
    for (const subject of engines) values.set(subject.label, await rate(subject.socket, path, 2000));
    report.rates(row, values);
    process.stderr.write(`${report.lastLine()}\n`);
  };
  await rates('`GET /containers/json?all=1` with 200 containers', '/v1.41/containers/json?all=1');
  for (const subject of engines) {
    await call(subject, ['rm', ...Array.from({ length: 200 }, (_, index) => `gantry-bench-ps-${index}`)]);
  }
  await rates('`GET /_ping`', '/_ping');
  await rates('`GET /containers/json`', '/v1.41/containers/json');

  const lines = ['sh', '-c', 'seq 1 300000'];
  const writer = (subject: Subject): string => `gantry-bench-log-${subjects.indexOf(subject)}`;
  await compare('300,000 log lines written (`run`, attached)', 3, async (subject) => {
    const taken = await call(subject, ['run', '--name', writer(subject), image, ...lines]);
    await call(subject, ['rm', writer(subject)]);
    return taken;
  });
  for (const subject of subjects) await call(subject, ['run', '-d', '--name', writer(subject), image, ...lines]);
  for (const subject of subjects) await call(subject, ['wait', writer(subject)]);
  await compare('300,000 log lines read (`logs`)', 3, (subject) => call(subject, ['logs', writer(subject)]));
  for (const subject of subjects) await call(subject, ['rm', '-f', writer(subject)]);

  const bundle = await crunBundle();
  try {
    const bare: number[] = [];
    for (let round = 0; round < rounds; round++) bare.push(await time(['crun', 'run', '--bundle', bundle.path, `gantry-bench-${round}`], {}));
    report.note(`Bare \`crun run\` of \`true\` in the same run: ${median(bare).toFixed(1)} ms.`);
  } finally {
    await bundle[Symbol.asyncDispose]();
  }

  report.note(`Event-loop delay of the engine, 99th percentile, while twenty containers start: ${delay.toFixed(1)} ms.`);
  for (const line of await gantry.memory(image)) report.note(line);
} finally {
  for (const subject of engines) {
    const docker = createDockerCli(`unix://${subject.socket}`);
    const left = (await docker(['ps', '-aq', '--filter', 'name=gantry-bench'])).stdout.split('\n').filter(Boolean);
    if (left.length > 0) await docker(['rm', '-f', ...left]);
    await docker(['rmi', '-f', image]);
  }
  await gantry.stop();
}

const versions = engines
  .slice(1)
  .map((subject) => `${subject.label} ${execFileSync('docker', ['-H', `unix://${subject.socket}`, 'version', '--format', '{{.Server.Version}}'], { encoding: 'utf8' }).trim()}`);
const text = report.markdown(versions);
process.stdout.write(text);
if (process.argv.includes('--write')) writeFileSync(new URL('../docs/performance.md', import.meta.url), text);
