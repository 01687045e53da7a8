import type { Bench } from './harness/topic.ts';

/** What Gantry holds at rest and for each container. */
export async function memory({ gantry, image, report }: Bench): Promise<void> {
  for (const line of await gantry.memory(image)) report.note(line);
}
