import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDockerCli } from '../test/clients/docker-cli.ts';
import { median } from './harness/measure.ts';
import type { Bench, Subject } from './harness/topic.ts';

const FILES = 20_000;

/**
 * Builds. Peers are driven by docker's classic builder; GANTRY_BENCH_BUILDX names a `docker-buildx` program, which then
 * drives Docker's BuildKit beside it.
 */
export async function builds({ gantry, subjects, image, report, compare, call }: Bench): Promise<void> {
  process.env['DOCKER_BUILDKIT'] = '0';
  const buildx = process.env['GANTRY_BENCH_BUILDX'];
  const docker = subjects.find(({ label }) => label === 'Docker');
  // Podman's build raises limits that it may not raise everywhere.
  const all: Subject[] = [...subjects.filter(({ label }) => label !== 'Podman'), ...(buildx === undefined || docker === undefined ? [] : [{ ...docker, label: 'Docker, buildx', cli: [buildx] }])];
  const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-build-'));
  const context = (name: string, lines: readonly string[]): string => {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'Dockerfile'), `${lines.join('\n')}\n`);
    return join(folder, name);
  };
  const build = (subject: Subject, path: string, ...flags: string[]): Promise<number> => call(subject, ['build', '-q', ...flags, path]);
  try {
    const ten = context('ten', [`FROM ${image}`, ...Array.from({ length: 10 }, (_, index) => `RUN echo ${index} > /file-${index}`)]);
    await gantry.resetEventLoopDelay();
    await compare('build of ten small steps, nothing cached', 3, (subject) => build(subject, ten, '--no-cache'), all);
    report.note(`Event-loop delay of the engine, 99th percentile, during these builds: ${(await gantry.eventLoopDelay()).toFixed(1)} ms.`);
    await compare('the same, all cached', 10, (subject) => build(subject, ten), all);

    const work = (index: number): string => `RUN i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo ${index} > /done-${index}`;
    const apart = context('apart', [...[0, 1, 2, 3].flatMap((index) => [`FROM ${image} AS s${index}`, work(index)]), 'FROM scratch', ...[0, 1, 2, 3].map((index) => `COPY --from=s${index} /done-${index} /`)]);
    const row = context('row', [`FROM ${image}`, ...[0, 1, 2, 3].map(work)]);
    const own = subjects[0] as Subject;
    const [side, after]: [number[], number[]] = [[], []];
    for (let round = 0; round < 3; round++) {
      side.push(await build(own, apart, '--no-cache'));
      after.push(await build(own, row, '--no-cache'));
    }
    report.note(`Four stages of equal work: ${(median(side) / median(after)).toFixed(2)} of the time of the four one after another (Gantry).`);

    const many = context('many', [`FROM ${image}`, 'COPY src /src', 'RUN ls /src > /list']);
    for (let index = 0; index < FILES; index++) {
      const place = join(many, 'src', `d${index % 200}`);
      if (index < 200) mkdirSync(place, { recursive: true });
      writeFileSync(join(place, `f${index}`), `file ${index} ${'x'.repeat(900)}\n`);
    }
    let change = 0;
    await compare('20,000 files, one changed, built again', 3, (subject) => {
      writeFileSync(join(many, 'src/d7/f7'), `changed ${change++}\n`);
      return build(subject, many);
    }, all);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    for (const { socket } of subjects.slice(1)) await createDockerCli(`unix://${socket}`)(['image', 'prune', '-f']);
    for (const { socket } of subjects.slice(1)) await createDockerCli(`unix://${socket}`)(['builder', 'prune', '-af']);
  }
}
