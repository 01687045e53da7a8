/** SIGKILL at random moments of a busy workload: nothing lost, nothing left over, no client refused. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createDockerCli, type DockerCli, until } from '../clients/docker-cli.ts';
import { freePort, importBusybox } from '../clients/host.ts';
import { ping, startEngine, type TestEngine } from '../rig.ts';

const kills = Number(process.env['GANTRY_TEST_KILLS'] ?? 100);
const image = 'gantry-test/chaos:1';
let engine: TestEngine;
let docker: DockerCli;

before(async () => {
  engine = await startEngine();
  docker = createDockerCli(engine.url);
  await importBusybox(docker, image);
});
after(async () => {
  await engine.stop();
});

interface Inspected {
  Name: string;
  RestartCount: number;
  State: { Status: string; Running: boolean; Pid: number; ExitCode: number; StartedAt: string; Health?: { Status: string } };
}
const inspect = async (name: string): Promise<Inspected> => (JSON.parse((await docker.ok(['inspect', name])).stdout) as [Inspected])[0];

test(`the engine is killed ${kills} times`, async () => {
  const port = await freePort();
  await docker.ok(['run', '-d', '--name', 'counter', image, 'sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; usleep 5000; done']);
  await docker.ok(['run', '-d', '--name', 'server', '-p', `127.0.0.1:${port}:80`, image, 'sh', '-c', 'mkdir /www; echo alive > /www/index.html; exec httpd -f -p 80 -h /www']);
  await docker.ok(['run', '-d', '--name', 'again', '--restart', 'always', image, 'sh', '-c', 'usleep 300000; exit 3']);
  await docker.ok(['run', '-d', '--name', 'checked', '--health-cmd', 'true', '--health-interval', '200ms', image, 'sleep', '100000']);
  await until(async () => (await fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text(), () => '')) === 'alive\n');
  const steady = new Map<string, number>();
  for (const name of ['counter', 'server', 'checked']) steady.set(name, (await inspect(name)).State.Pid);

  const stopping = new AbortController();
  const busy = async (worker: number, round: (turn: number) => Promise<void>): Promise<void> => {
    for (let turn = worker * 1_000_000; !stopping.signal.aborted; turn++) await round(turn);
  };
  // Each may be cut off by a kill; what counts is what stays behind.
  const workers = [
    busy(1, async () => void (await docker(['run', '--rm', image, 'true']))),
    busy(2, async () => void (await docker(['run', '--rm', '--network', 'none', '-v', '/data', image, 'sh', '-c', 'echo x; exit 1']))),
    busy(3, async () => void (await docker(['exec', 'server', 'true']))),
    busy(4, async (turn) => {
      const name = `cycle-${turn}`;
      await docker(['create', '--name', name, image, 'sleep', '1000']);
      await docker(['start', name]);
      await docker(['restart', '-t', '0', name]);
      await docker(['rm', '-f', name]);
    }),
  ];

  let refused = 0;
  const watch = busy(9, async () => {
    if ((await ping(engine.socket)) === -1) refused++;
    await new Promise((resolve) => setTimeout(resolve, 10));
  });

  const slow: number[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const pid = engine.enginePid();
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 400));
    process.kill(pid, 'SIGKILL');
    const began = Date.now();
    await until(async () => (await ping(engine.socket)) === 200);
    slow.push(Date.now() - began);
    await until(async () => engine.enginePid() !== pid);
  }
  stopping.abort();
  await Promise.all([...workers, watch]);

  assert.equal(refused, 0, 'no client was refused');
  assert.equal((await (await fetch(`http://127.0.0.1:${port}/`)).text()), 'alive\n');
  for (const [name, pid] of steady) {
    const { State } = await inspect(name);
    assert.deepEqual([State.Status, State.Pid], ['running', pid], `${name} was left alone`);
  }
  await until(async () => (await inspect('checked')).State.Health?.Status === 'healthy');
  // Its back-off has grown to a minute by now; a new one's has not.
  const again = await inspect('again');
  assert.ok(again.RestartCount > 0);
  assert.match(again.State.Status, /^(?:running|restarting)$/);
  await docker.ok(['run', '-d', '--name', 'another', '--restart', 'always', image, 'sh', '-c', 'exit 3']);
  await until(async () => (await inspect('another')).RestartCount >= 1);
  process.kill(engine.enginePid(), 'SIGKILL');
  await until(async () => (await inspect('another')).RestartCount >= 3);

  // Every number that was printed is in the log, once and in order.
  await docker.ok(['stop', '-t', '0', 'counter']);
  const lines = (await docker.ok(['logs', 'counter'])).stdout.trimEnd().split('\n');
  assert.ok(lines.every((line, index) => line === String(index + 1)), 'the log has no gap');

  // What --rm promised holds, also where the engine died in between; half-made things are gone.
  await until(async () => {
    const names = (await docker.ok(['ps', '-a', '--format', '{{.Names}} {{.State}} {{.Command}}'])).stdout.trimEnd().split('\n');
    return !names.some((line) => line.endsWith(' "true"') && line.includes(' exited '));
  });
  const ids = (await docker.ok(['ps', '-aq'])).stdout.trimEnd().split('\n');
  await docker.ok(['rm', '-fv', ...ids]);
  await until(async () => {
    const { processes, cgroups, mounts } = engine.traces();
    const conmons = processes.filter((line) => line.includes('conmon'));
    return conmons.length === 0 && cgroups.every((path) => !path.includes('/gantry/')) && mounts.every((path) => !path.includes('/containers/'));
  });
  assert.equal((await docker.ok(['volume', 'ls', '-q'])).stdout, '', 'no anonymous volume is left');
  assert.ok(slow.toSorted((a, b) => a - b)[Math.floor(slow.length / 2)]! < 5000, 'the engine comes back');
});
