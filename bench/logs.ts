import type { Bench } from './harness/topic.ts';

const lines = ['sh', '-c', 'seq 1 300000'];

/** Output of a container on its way to the client, and read again. */
export async function logs({ subjects, image, compare, call, name }: Bench): Promise<void> {
  await compare('300,000 log lines written (`run`, attached)', 3, async (subject) => {
    const taken = await call(subject, ['run', '--name', name('log', subject), image, ...lines]);
    await call(subject, ['rm', name('log', subject)]);
    return taken;
  });
  for (const subject of subjects) await call(subject, ['run', '-d', '--name', name('log', subject), image, ...lines]);
  for (const subject of subjects) await call(subject, ['wait', name('log', subject)]);
  await compare('300,000 log lines read (`logs`)', 3, (subject) => call(subject, ['logs', name('log', subject)]));
  for (const subject of subjects) await call(subject, ['rm', '-f', name('log', subject)]);
}
