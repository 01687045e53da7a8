import { createDockerCli } from '../test/clients/docker-cli.ts';
import { rate } from './harness/measure.ts';
import type { Bench } from './harness/topic.ts';

const many = Array.from({ length: 200 }, (_, index) => `gantry-bench-ps-${index}`);

/** Lists with many containers, and requests a second over one connection. */
export async function listing({ engines, image, rounds, report, compare, call }: Bench): Promise<void> {
  const rates = async (row: string, path: string): Promise<void> => {
    const values = new Map<string, number>();
    for (const subject of engines) values.set(subject.label, await rate(subject.socket, path, 2000));
    report.rates(row, values);
  };
  await rates('`GET /_ping`', '/_ping');
  await rates('`GET /containers/json`', '/v1.41/containers/json');

  for (const { socket } of engines) {
    const docker = createDockerCli(`unix://${socket}`);
    for (let from = 0; from < many.length; from += 10) {
      await Promise.all(many.slice(from, from + 10).map((name) => docker.ok(['create', '--name', name, image, 'true'])));
    }
  }
  await compare('`ps -a` with 200 containers', rounds, (subject) => call(subject, ['ps', '-a']));
  await rates('`GET /containers/json?all=1` with 200 containers', '/v1.41/containers/json?all=1');
  for (const subject of engines) await call(subject, ['rm', ...many]);
}
