import { crunBundle } from './harness/crun-bundle.ts';
import { execThroughApi, median, time } from './harness/measure.ts';
import type { Bench } from './harness/topic.ts';

/** Starting containers, and processes in them. */
export async function containers({ gantry, subjects, engines, image, rounds, report, compare, call, name }: Bench): Promise<void> {
  await compare('`run --rm` of `true`, bridge', rounds, (subject) => call(subject, ['run', '--rm', image, 'true']));
  await compare('`run --rm` of `true`, `--network none`', rounds, (subject) => call(subject, ['run', '--rm', '--network', 'none', image, 'true']));

  for (const subject of subjects) await call(subject, ['run', '-d', '--name', name('sleeper', subject), image, 'sleep', '100000']);
  await compare('`exec` of `true`', rounds, (subject) => call(subject, ['exec', name('sleeper', subject), 'true']));
  await compare('`exec` of `true` through the API, without a CLI', rounds, (subject) => execThroughApi(subject.socket, name('sleeper', subject)), engines);
  for (const subject of subjects) await call(subject, ['rm', '-f', name('sleeper', subject)]);

  await gantry.resetEventLoopDelay();
  await compare('twenty `run --rm` at once', Math.ceil(rounds / 5), async (subject) => {
    const began = process.hrtime.bigint();
    await Promise.all(Array.from({ length: 20 }, () => call(subject, ['run', '--rm', image, 'true'])));
    return Number(process.hrtime.bigint() - began) / 1e6;
  });
  report.note(`Event-loop delay of the engine, 99th percentile, while twenty containers start: ${(await gantry.eventLoopDelay()).toFixed(1)} ms.`);

  const created: string[][] = subjects.map(() => []);
  await compare('`create`', rounds, async (subject, round) => {
    const container = `${name('create', subject)}-${round + 1}`;
    created[subjects.indexOf(subject)]!.push(container);
    return call(subject, ['create', '--name', container, image, 'true']);
  });
  for (const subject of subjects) await call(subject, ['rm', ...created[subjects.indexOf(subject)]!]);

  await using bundle = await crunBundle();
  const bare: number[] = [];
  for (let round = 0; round < rounds; round++) bare.push(await time(['crun', 'run', '--bundle', bundle.path, `gantry-bench-${round}`], {}));
  report.note(`Bare \`crun run\` of \`true\` in the same run: ${median(bare).toFixed(1)} ms.`);
}
