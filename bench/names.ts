import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createDockerCli } from '../test/clients/docker-cli.ts';
import { percentile } from './harness/measure.ts';
import type { Bench, Subject } from './harness/topic.ts';

const network = 'gantry-bench-names';
const SECONDS = 3;

/** Names at the resolver that containers are given, with `dnsperf` in the container's network namespace as the client. */
export async function names({ engines: all, subjects, image, rounds, report, compare, call, name }: Bench): Promise<void> {
  // Podman's answer to docker's CLI knows no network that was made by it.
  const engines = all.filter(({ label }) => label !== 'Podman');
  for (const subject of engines) await createDockerCli(`unix://${subject.socket}`).ok(['network', 'create', network]);
  try {
    await compare('`run --rm` of `true`, a network of its own', rounds, (subject) => call(subject, ['run', '--rm', '--network', network, image, 'true']), subjects.filter(({ label }) => label !== 'Podman'));
    if (spawnSync('dnsperf', ['-h']).error !== undefined) {
      report.note('Queries were not measured: dnsperf is not installed.');
      return;
    }
    const answered = new Map<string, number>();
    for (const subject of engines) {
      const [web, other] = [name('web', subject), name('other', subject)];
      for (const container of [web, other]) await call(subject, ['run', '-d', '--name', container, '--network', network, '--network-alias', 'both', image, 'sleep', '100000']);
      const { many, paced } = await measure(subject, web, [`${web} A`, `${other} A`, 'both A', `${web} AAAA`, `${other}.${network} A`]);
      answered.set(subject.label, many);
      report.note(`${subject.label}: half of the answers within ${milliseconds(percentile(paced, 50))}, 99 of 100 within ${milliseconds(percentile(paced, 99))}, at 2,000 queries a second.`);
      await call(subject, ['rm', '-f', web, other]);
    }
    report.rates('queries answered, 100 at a time', answered);
    report.note(`The resolver after that: ${resolverSize(engines[0]?.socket ?? '')}.`);
  } finally {
    for (const subject of engines) await createDockerCli(`unix://${subject.socket}`)(['network', 'rm', network]);
  }
}

const milliseconds = (seconds: number): string => `${(seconds * 1000).toFixed(2)} ms`;

/** Answers a second when as many as possible are asked, and the seconds that single answers take when few are. */
async function measure(subject: Subject, container: string, queries: readonly string[]): Promise<{ many: number; paced: number[] }> {
  const docker = createDockerCli(`unix://${subject.socket}`);
  const pid = await docker.format(container, '{{.State.Pid}}');
  const conf = (await docker.ok(['exec', container, 'cat', '/etc/resolv.conf'])).stdout;
  const server = /^nameserver (\S+)/m.exec(conf)?.[1] ?? '127.0.0.11';
  const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-names-'));
  try {
    const file = join(folder, 'queries');
    writeFileSync(file, `${queries.join('\n')}\n`);
    const ask = (...options: string[]): string =>
      execFileSync('nsenter', ['-t', pid, '-n', 'dnsperf', '-s', server, '-d', file, '-l', String(SECONDS), ...options], { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] });
    const many = Number(/Queries per second:\s+([\d.]+)/.exec(ask('-c', '20', '-q', '100'))?.[1]);
    const paced = [...ask('-c', '4', '-Q', '2000', '-v').matchAll(/^> \S+ \S+ \S+ ([\d.]+)$/gm)].map((match) => Number(match[1]));
    return { many, paced };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function resolverSize(socket: string): string {
  const pid = readFileSync(join(dirname(socket), 'resolver.pid'), 'utf8').trim();
  const kilobytes = (path: string, field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(path, 'utf8'))?.[1]);
  const megabytes = (value: number): string => `${((value * 1024) / 1e6).toFixed(1)} MB`;
  return `${megabytes(kilobytes(`/proc/${pid}/smaps_rollup`, 'Pss'))} (PSS), ${megabytes(kilobytes(`/proc/${pid}/status`, 'VmRSS'))} (RSS)`;
}
