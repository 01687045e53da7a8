/** Client libraries that nobody here wrote: python3-docker, dockerode and testcontainers. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import Dockerode from 'dockerode';
import { createDockerCli, type DockerCli, until } from './docker-cli.ts';
import { clientHost, importBusybox } from './host.ts';

let docker: DockerCli;
let url: string;
let release: () => Promise<void>;
const image = 'gantry-test/libraries:1';

before(async () => {
  const host = await clientHost();
  url = host.url;
  release = host.release;
  docker = createDockerCli(url);
  await importBusybox(docker, image);
});

after(async () => {
  await docker(['rmi', '-f', image]);
  await release();
});

const python = '/usr/bin/python3';
const withoutPython = spawnSync(python, ['-c', 'import docker']).status === 0 ? false : 'python3-docker is not installed';

test('python3-docker', { skip: withoutPython }, async () => {
  const child = spawn(python, [new URL('./python-docker.py', import.meta.url).pathname, image], {
    env: { ...process.env, DOCKER_HOST: url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, errors, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]);
  assert.equal(code, 0, `${out}${errors}`);
  assert.match(out, /ok events and errors\n$/);
});

test('dockerode', async (context) => {
  const client = new Dockerode({ socketPath: url.replace('unix://', '') });
  const name = `gt-dockerode-${process.pid}`;

  await context.test('run streams output and gives the exit code', async () => {
    const sink = new PassThrough();
    const seen = text(sink);
    const [result, container] = (await client.run(image, ['sh', '-c', 'echo hi; exit 2'], sink, { Tty: true })) as [{ StatusCode: number }, Dockerode.Container];
    await container.remove();
    sink.end();
    assert.equal(result.StatusCode, 2);
    assert.equal(await seen, 'hi\r\n');
  });

  const container = await client.createContainer({ Image: image, name, Cmd: ['cat'], OpenStdin: true, StdinOnce: true, Labels: { gt: name } });
  try {
    await context.test('attach is hijacked, demultiplexed and half-closed', async () => {
      const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
      const out = new PassThrough();
      const seen = text(out);
      client.modem.demuxStream(stream, out, new PassThrough());
      stream.on('end', () => out.end());
      await container.start();
      stream.write('through ');
      stream.end('and through');
      assert.equal(await seen, 'through and through');
      assert.equal(((await container.wait()) as { StatusCode: number }).StatusCode, 0);
    });

    await context.test('inspect, list, logs and stats', async () => {
      assert.equal((await container.inspect()).Name, `/${name}`);
      assert.deepEqual((await client.listContainers({ all: true, filters: { label: [`gt=${name}`] } })).map((found) => found.Id), [container.id]);
      const logged = (await container.logs({ stdout: true, stderr: true })) as unknown as Buffer;
      assert.ok(logged.toString().includes('through and through'));
    });

    await context.test('exec with output and code', async () => {
      const sleeper = await client.createContainer({ Image: image, Cmd: ['sleep', '1000'] });
      try {
        await sleeper.start();
        const exec = await sleeper.exec({ Cmd: ['sh', '-c', 'read x; echo got $x; exit 6'], AttachStdin: true, AttachStdout: true, AttachStderr: true });
        const stream = await exec.start({ hijack: true, stdin: true });
        const out = new PassThrough();
        const seen = text(out);
        client.modem.demuxStream(stream, out, new PassThrough());
        stream.on('end', () => out.end());
        stream.write('it\n');
        assert.equal(await seen, 'got it\n');
        await until(async () => (await exec.inspect()).ExitCode === 6);
      } finally {
        await sleeper.remove({ force: true });
      }
    });

    await context.test('events stream live', async () => {
      const events = await client.getEvents({ filters: { container: [name], event: ['rename'] } });
      const first = new Promise<string>((resolve) => events.once('data', (chunk: Buffer) => resolve(chunk.toString())));
      await container.rename({ name: `${name}-renamed` });
      assert.equal((JSON.parse(await first) as { Action: string }).Action, 'rename');
      (events as unknown as { destroy(): void }).destroy();
    });
  } finally {
    await container.remove({ force: true });
  }
});

test('testcontainers', async () => {
  process.env['DOCKER_HOST'] = url;
  // Its reaper is an image from a registry.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
  const { GenericContainer, Wait } = await import('testcontainers');
  const started = await new GenericContainer(image)
    .withCommand(['sh', '-c', 'mkdir -p /www; echo served > /www/index.html; echo listening; exec httpd -f -p 8080 -h /www'])
    .withExposedPorts(8080)
    .withWaitStrategy(Wait.forAll([Wait.forLogMessage('listening'), Wait.forListeningPorts()]))
    .withCopyContentToContainer([{ content: 'copied', target: '/www/copied' }])
    .start();
  try {
    const base = `http://${started.getHost()}:${started.getMappedPort(8080)}`;
    await until(async () => (await fetch(base).then((answer) => answer.text(), () => '')) === 'served\n');
    assert.equal(await (await fetch(`${base}/copied`)).text(), 'copied');
    const result = await started.exec(['cat', '/www/copied']);
    assert.deepEqual([result.exitCode, result.output], [0, 'copied']);
  } finally {
    await started.stop();
  }
});
