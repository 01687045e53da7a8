import { spawn, spawnSync } from 'node:child_process';
import { median } from './harness/measure.ts';
import type { Bench, Subject } from './harness/topic.ts';

/** What a network costs a start, how many containers and ports a bridge bears, and how fast it carries. */
export async function networks({ gantry, subjects, engines, image, rounds, report, compare, call, name }: Bench): Promise<void> {
  await compare('`run --rm` of `true`: what the bridge adds to `--network none`', rounds, async (subject) => {
    const bridge = await call(subject, ['run', '--rm', image, 'true']);
    return Math.max(0, bridge - (await call(subject, ['run', '--rm', '--network', 'none', image, 'true'])));
  });
  await compare('the same with one published port', rounds, async (subject) => {
    const bridge = await call(subject, ['run', '--rm', '-p', '127.0.0.1::80', image, 'true']);
    return Math.max(0, bridge - (await call(subject, ['run', '--rm', '--network', 'none', image, 'true'])));
  });
  await compare('`network create` and `network rm`', rounds, async (subject) => {
    const network = name('net', subject);
    return (await call(subject, ['network', 'create', network])) + (await call(subject, ['network', 'rm', network]));
  });

  const own = subjects[0];
  if (own !== undefined) report.note(await manyContainers(own, { image, call, name }));

  if (spawnSync('iperf3', ['--version']).status !== 0) {
    report.note('Throughput was not measured: iperf3 is not installed.');
    return;
  }
  const speeds: string[] = [];
  const failed: string[] = [];
  for (const [label, port] of [['container to container', undefined], ['host to published port', 5201]] as const) {
    const measured = new Map<string, number[]>();
    // Podman does not lead 127.0.0.1 to its containers.
    const compared = engines.filter((subject) => subject.label !== 'Podman');
    const pairs = await Promise.all(compared.map(async (subject) => ({ subject, ...(await startPair(subject, { image, call, name }, port)) })));
    try {
      for (let round = 0; round < 3; round++) {
        for (const { subject, client, address, server } of pairs) {
          try {
            measured.set(subject.label, [...(measured.get(subject.label) ?? []), await iperf(server, client, address, port === undefined ? 5201 : hostPortOf(subject, name('iperf-server', subject)))]);
          } catch (error) {
            failed.push(`${subject.label}, ${label}: ${error instanceof Error ? error.message : String(error)}`);
          }
        }
      }
    } finally {
      for (const { subject } of pairs) await call(subject, ['rm', '-f', name('iperf-server', subject), name('iperf-client', subject)]);
    }
    speeds.push(`${label}: ${[...measured].map(([engine, values]) => `${engine} ${(median(values) / 1e9).toFixed(1)}`).join(', ')}`);
  }
  report.note(`iperf3 throughput in Gbit/s, medians of three runs of three seconds in turn. ${speeds.join('; ')}.`);
  if (failed.length > 0) report.note(`Runs of iperf3 that failed: ${failed.join('; ')}.`);
  await gantry.resetEventLoopDelay();
}

interface Tools extends Pick<Bench, 'image' | 'call' | 'name'> {}

/** Two hundred containers with two published ports each on one bridge, one after the other. */
async function manyContainers(subject: Subject, { image, call, name }: Tools): Promise<string> {
  const containers = Array.from({ length: 200 }, (_, index) => `${name('many', subject)}-${index}`);
  const times: number[] = [];
  for (const container of containers) times.push(await call(subject, ['run', '-d', '--name', container, '-p', '80', '-p', '81', image, 'sleep', '100000']));
  for (let at = 0; at < containers.length; at += 50) await call(subject, ['rm', '-f', ...containers.slice(at, at + 50)]);
  return `200 containers on one bridge with 400 published ports (each on IPv4 and IPv6): the first ten start in ${median(times.slice(0, 10)).toFixed(1)} ms each, the last ten in ${median(times.slice(-10)).toFixed(1)} ms (medians, \`run -d\`).`;
}

interface Pair {
  /** Process ids, for their network namespaces; 0 is the host's. */
  server: number;
  client: number;
  address: string;
}

async function startPair(subject: Subject, { image, call, name }: Tools, port: number | undefined): Promise<Pair> {
  const [server, client] = [name('iperf-server', subject), name('iperf-client', subject)];
  await call(subject, ['run', '-d', '--name', server, ...(port === undefined ? [] : ['-p', String(port)]), image, 'sleep', '100000']);
  await call(subject, ['run', '-d', '--name', client, image, 'sleep', '100000']);
  const serverPid = Number(inspect(subject, server, '{{.State.Pid}}'));
  return {
    server: serverPid,
    client: port === undefined ? Number(inspect(subject, client, '{{.State.Pid}}')) : 0,
    address: port === undefined ? inspect(subject, server, '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}') : '127.0.0.1',
  };
}

const inspect = (subject: Subject, container: string, template: string): string =>
  spawnSync('docker', ['-H', `unix://${subject.socket}`, 'inspect', '--format', template, container], { encoding: 'utf8' }).stdout.trim();

const hostPortOf = (subject: Subject, container: string): number => Number(inspect(subject, container, '{{(index (index .NetworkSettings.Ports "5201/tcp") 0).HostPort}}'));

/** Bits a second. */
async function iperf(server: number, client: number, address: string, port: number): Promise<number> {
  const within = (pid: number, ...words: string[]): string[] => (pid === 0 ? words : ['nsenter', `--net=/proc/${pid}/ns/net`, ...words]);
  const [command = '', ...args] = within(server, 'iperf3', '-s', '-1', '--forceflush', '-p', '5201');
  const listening = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise((resolve) => listening.stdout.once('data', resolve));
  const [program = '', ...rest] = within(client, 'iperf3', '-c', address, '-p', String(port), '-t', '3', '-J');
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  listening.kill();
  const result = JSON.parse(output) as { end?: { sum_received?: { bits_per_second: number } }; error?: string };
  const rate = result.end?.sum_received?.bits_per_second;
  if (rate === undefined) throw new Error(`iperf3: ${result.error ?? 'no result'}`);
  return rate;
}
