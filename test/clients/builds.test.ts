/** Builds by client libraries that nobody here wrote: python3-docker, dockerode and testcontainers. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import Dockerode from 'dockerode';
import { createDockerCli, type DockerCli } from './docker-cli.ts';
import { clientHost, importBusybox } from './host.ts';

let docker: DockerCli;
let url: string;
let release: () => Promise<void>;
const base = 'gantry-test/build-base:1';
const folder = mkdtempSync(join(tmpdir(), 'gantry-build-clients-'));

before(async () => {
  const host = await clientHost();
  url = host.url;
  release = host.release;
  docker = createDockerCli(url);
  await importBusybox(docker, base);
  writeFileSync(join(folder, 'Dockerfile'), `FROM ${base}\nARG WHO=nobody\nCOPY file /copied\nRUN echo "for $WHO" > /who\nCMD ["cat", "/copied", "/who"]\n`);
  writeFileSync(join(folder, 'file'), 'a file\n');
});

after(async () => {
  rmSync(folder, { recursive: true });
  await docker(['rmi', '-f', 'gantry-test/built:py', 'gantry-test/built:js', base]);
  await release();
});

const python = '/usr/bin/python3';
const withoutPython = spawnSync(python, ['-c', 'import docker']).status === 0 ? false : 'python3-docker is not installed';
const script = `
import sys, docker
client = docker.from_env()
image, logs = client.images.build(path=sys.argv[1], tag='gantry-test/built:py', buildargs={'WHO': 'python'}, labels={'by': 'py'}, rm=True)
assert image.labels['by'] == 'py', image.labels
assert any('Successfully built' in line.get('stream', '') for line in logs)
print(client.containers.run(image.id, remove=True).decode(), end='')
try:
    client.images.build(path=sys.argv[1], dockerfile='Bad')
    raise SystemExit('a bad Dockerfile was built')
except docker.errors.APIError as error:
    assert error.status_code in (400, 500), error
open(sys.argv[1] + '/Failing', 'w').write('FROM ' + sys.argv[2] + '\\nRUN exit 4\\n')
try:
    client.images.build(path=sys.argv[1], dockerfile='Failing')
    raise SystemExit('a failing step was built')
except docker.errors.BuildError as error:
    assert 'returned a non-zero code: 4' in str(error), error
print('ok')
`;

test('python3-docker', { skip: withoutPython }, async () => {
  const child = spawn(python, ['-c', script, folder, base], { env: { ...process.env, DOCKER_HOST: url }, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), new Promise<number | null>((resolve) => child.on('close', resolve))]);
  assert.equal(code, 0, `${out}${errors}`);
  assert.equal(out, 'a file\nfor python\nok\n');
});

test('dockerode', async () => {
  const client = new Dockerode({ socketPath: url.replace('unix://', '') });
  const stream = await client.buildImage({ context: folder, src: ['Dockerfile', 'file'] }, { t: 'gantry-test/built:js', buildargs: { WHO: 'js' } });
  const lines = await new Promise<{ aux?: { ID: string } }[]>((resolve, reject) => client.modem.followProgress(stream, (error, output) => (error ? reject(error) : resolve(output as { aux?: { ID: string } }[]))));
  assert.match(lines.find(({ aux }) => aux !== undefined)?.aux?.ID ?? '', /^sha256:[0-9a-f]{64}$/);
  assert.equal((await docker.ok(['run', '--rm', 'gantry-test/built:js'])).stdout, 'a file\nfor js\n');
});

test('testcontainers', async () => {
  process.env['DOCKER_HOST'] = url;
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
  const { GenericContainer, Wait } = await import('testcontainers');
  const image = await GenericContainer.fromDockerfile(folder).withBuildArgs({ WHO: 'containers' }).build();
  const container = await image.withCommand(['sh', '-c', 'cat /who; sleep 1000']).withWaitStrategy(Wait.forLogMessage('for containers')).start();
  try {
    assert.equal((await container.exec(['cat', '/copied'])).output, 'a file\n');
  } finally {
    await container.stop();
  }
});
