/** What clients and their test suites rely on beyond the obvious; each was found beside a real dockerd. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createDockerCli, until, type DockerCli } from './docker-cli.ts';
import { clientHost, importBusybox } from './host.ts';

const image = 'conformance:busybox';
let docker: DockerCli;
let socket: string;
let release: () => Promise<void>;
const folder = mkdtempSync(join(tmpdir(), 'gantry-conformance-'));
const made: string[] = [];

before(async () => {
  const host = await clientHost();
  socket = host.url.replace('unix://', '');
  release = host.release;
  docker = createDockerCli(host.url);
  await importBusybox(docker, image);
});
after(async () => {
  await docker(['rm', '-fv', ...made]);
  await docker(['rmi', image]);
  rmSync(folder, { recursive: true, force: true });
  await release();
});

const fresh = (what: string): string => {
  const name = `conformance-${what}-${process.pid}-${made.length}`;
  made.push(name);
  return name;
};

interface Answer {
  status: number;
  body: Buffer;
  json: Record<string, unknown>;
}

/** One raw request; `path` with the version to ask in, or without. */
function api(method: string, path: string, body?: unknown, raw?: string): Promise<Answer> {
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socket, method, path, headers: text === undefined ? {} : { 'Content-Type': 'application/json' } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const whole = Buffer.concat(chunks);
        const json = (): Record<string, unknown> => {
          try {
            return JSON.parse(whole.toString()) as Record<string, unknown>;
          } catch {
            return {};
          }
        };
        resolve({ status: answer.statusCode ?? 0, body: whole, json: json() });
      });
    });
    call.on('error', reject);
    call.end(text);
  });
}

async function create(name: string, body: Record<string, unknown>, version = '/v1.45'): Promise<Answer> {
  return api('POST', `${version}/containers/create?name=${name}`, { Image: image, ...body });
}

describe('answers', () => {
  test('scripts that name no API version find the address beside the networks and who an event is about', async () => {
    const name = fresh('fields');
    const since = Date.now() / 1000;
    await docker.ok(['run', '-d', '--name', name, image, 'sleep', '1000']);
    const { NetworkSettings: settings, Id } = (await api('GET', `/containers/${name}/json`)).json as { Id: string; NetworkSettings: { IPAddress: string; Networks: { bridge: { IPAddress: string } } } };
    assert.ok(settings.IPAddress);
    assert.equal(settings.IPAddress, settings.Networks.bridge.IPAddress);
    const filters = encodeURIComponent(JSON.stringify({ container: [Id], event: ['start'] }));
    const event = (await api('GET', `/events?since=${since}&until=${Date.now() / 1000 + 0.001}&filters=${filters}`)).json;
    assert.deepEqual([event['status'], event['id'], event['from']], ['start', Id, image]);
  });

  test("broken JSON is described in Go's words", async () => {
    const told = async (raw: string): Promise<unknown> => (await api('POST', '/v1.45/volumes/create', undefined, raw)).json['message'];
    assert.equal(await told('{invalid json'), "invalid JSON: invalid character 'i' looking for beginning of object key string");
    assert.equal(await told('{} trailing'), 'unexpected content after JSON');
  });

  test('a missing container is named twice when it is to be killed', async () => {
    assert.equal((await docker(['kill', 'no-such'])).stderr, 'Error response from daemon: cannot kill container: no-such: No such container: no-such\n');
  });
});

describe('networks', () => {
  test('a container can be made before its network; its start says what is missing', async () => {
    const name = fresh('early');
    assert.equal((await create(name, { Cmd: ['true'], HostConfig: { NetworkMode: 'not-yet' } })).status, 201);
    const start = await docker(['start', name]);
    assert.match(start.stderr, /network not-yet not found/);
  });

  test('a network given by a part of its id is shown by its name', async () => {
    const network = fresh('network');
    const id = (await docker.ok(['network', 'create', network])).stdout.trim();
    const name = fresh('by-id');
    await docker.ok(['run', '-d', '--name', name, '--network', id.slice(0, 10), image, 'sleep', '1000']);
    assert.equal(await docker.format(name, '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}'), network);
    assert.match((await docker(['network', 'connect', network, name])).stderr, /already exists in network/);
    await docker.ok(['rm', '-f', name]);
    await docker.ok(['network', 'rm', network]);
  });

  test('--link tells of the other in hosts and variables, and follows it through a rename', async () => {
    const other = fresh('linked');
    await docker.ok(['run', '-d', '--name', other, '-e', 'FOO=1', '--expose', '99', image, 'sleep', '1000']);
    const name = fresh('linking');
    await docker.ok(['run', '-d', '--name', name, '--link', `${other}:db`, image, 'sleep', '1000']);
    const env = (await docker.ok(['exec', name, 'env'])).stdout;
    assert.match(env, new RegExp(`^DB_NAME=/${name}/db$`, 'm'));
    assert.match(env, /^DB_ENV_FOO=1$/m);
    assert.match(env, /^DB_PORT_99_TCP=tcp:\/\/[\d.]+:99$/m);
    assert.match((await docker.ok(['exec', name, 'cat', '/etc/hosts'])).stdout, /\tdb\b/m);
    const renamed = fresh('renamed');
    await docker.ok(['rename', other, renamed]);
    assert.equal(await docker.format(name, '{{json .HostConfig.Links}}'), `["/${renamed}:/${name}/db"]`);
  });

  test('a linked container is known by its alias, until `rm --link` takes that away', async () => {
    const other = fresh('known');
    const name = fresh('knowing');
    await docker.ok(['run', '-d', '--name', other, image, 'sleep', '1000']);
    await docker.ok(['run', '-d', '--name', name, '--link', `${other}:db`, image, 'sleep', '1000']);
    const hosts = async (): Promise<string> => (await docker.ok(['exec', name, 'cat', '/etc/hosts'])).stdout;
    const names = async (): Promise<string[]> => (await docker.ok(['ps', '--no-trunc', '--filter', `name=${other}$`, '--format', '{{.Names}}'])).stdout.trim().split(',').toSorted();
    assert.equal(await docker.format(`${name}/db`, '{{.Name}}'), `/${other}`);
    assert.deepEqual(await names(), [other, `${name}/db`].toSorted());
    assert.match(await hosts(), new RegExp(`\\tdb [0-9a-f]{12} ${other}$`, 'm'));

    const whole = await docker(['rm', '--link', name]);
    assert.match(whole.stderr, /Conflict, cannot remove the default link name of the container/);
    assert.match((await docker(['rm', '--link', `${name}/web`])).stderr, new RegExp(`No such container: ${name}/web`));
    assert.equal((await docker.ok(['rm', '--link', `${name}/db`])).stdout, `${name}/db\n`);
    assert.doesNotMatch(await hosts(), /\tdb\b/);
    assert.match(await hosts(), /\tlocalhost/);
    assert.deepEqual(await names(), [other]);
    assert.equal(await docker.format(name, '{{json .HostConfig.Links}}'), 'null');
    assert.equal((await docker(['inspect', `${name}/db`])).code, 1);
  });
});

describe('small answers', () => {
  test('`logs --tail` counts the lines of both streams, whichever are shown', async () => {
    const name = fresh('tail');
    await docker.ok(['run', '--name', name, image, 'sh', '-c', 'echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three']);
    const shown = async (query: string): Promise<string> => (await api('GET', `/v1.45/containers/${name}/logs?${query}`)).body.toString('latin1').replaceAll(/[\x00-\x09\x0b-\x1f]/g, '');
    assert.equal(await shown('stdout=1&tail=1'), 'three\n');
    assert.equal(await shown('stderr=1&tail=1'), '');
    assert.equal(await shown('stderr=1&tail=2'), 'two\n');
    assert.equal(await shown('stdout=1&tail=2'), 'three\n');
  });

  test('what there is nothing of is null where Docker has null', async () => {
    const name = fresh('nothing');
    await docker.ok(['create', '--name', name, image]);
    assert.equal((await api('GET', `/v1.45/containers/${name}/changes`)).body.toString().trim(), 'null');
    assert.deepEqual(JSON.parse((await api('POST', `/v1.45/containers/${name}/update`, {})).body.toString()), { Warnings: null });
    const usage = JSON.parse((await api('GET', '/v1.45/system/df?type=volume')).body.toString()) as Record<string, unknown>;
    assert.deepEqual([usage['LayersSize'], usage['Images'], usage['Containers'], usage['BuildCache'], Array.isArray(usage['Volumes'])], [0, null, null, null, true]);
  });

  test('what Docker refuses and what it takes when a container is made', async () => {
    assert.match((await create(fresh('no-command'), { Image: '', Tty: false })).json['message'] as string, /no command specified/);
    assert.match((await create(fresh('cpus'), { HostConfig: { CpusetCpus: '1-42,,' } })).json['message'] as string, /Invalid value 1-42,, for cpuset cpus/);
    const early = await create(fresh('early'), { Cmd: 'ls', CpuShares: 100, Memory: 524287 });
    assert.deepEqual([early.status, early.json['message']], [400, 'Minimum memory limit allowed is 6MB']);
    const name = fresh('joins-later');
    assert.equal((await create(name, { Cmd: ['true'], HostConfig: { NetworkMode: 'container:not-there-yet' } })).status, 201);
    assert.equal(await docker.format(name, '{{.HostConfig.NetworkMode}}'), 'container:not-there-yet');
    assert.equal((await api('POST', `/v1.45/containers/${name}/start`)).status, 404);
  });

  test('an exec that nobody started goes with the run of its container', async () => {
    const name = fresh('unstarted');
    await docker.ok(['run', '-d', '--name', name, image, 'sleep', '1000']);
    const id = (await api('POST', `/v1.45/containers/${name}/exec`, { Cmd: ['true'] })).json['Id'] as string;
    await docker.ok(['stop', '-t', '0', name]);
    assert.equal((await api('POST', `/v1.45/exec/${id}/start`, { Detach: true })).status, 404);
    await docker.ok(['start', name]);
    assert.equal((await api('POST', `/v1.45/exec/${id}/start`, { Detach: true })).status, 404);
  });

  test('an exec in a folder that is no path is refused when it starts, and says so', async () => {
    const name = fresh('folder');
    await docker.ok(['run', '-d', '--name', name, image, 'sleep', '1000']);
    const { code, stdout } = await docker(['exec', '-w', 'relative', name, 'true']);
    assert.equal(code, 126);
    assert.match(stdout, /^OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown/);
    await docker.ok(['pause', name]);
    assert.match((await docker(['exec', name, 'true'])).stderr, new RegExp(`Container ${name} is paused, unpause the container before exec`));
  });
});

describe('files', () => {
  test('a path that ends in a dot puts its contents, not itself, into the archive; the root too', async () => {
    const name = fresh('archive');
    await docker.ok(['create', '--name', name, image]);
    const entries = async (path: string): Promise<string[]> => {
      const { body } = await api('GET', `/v1.45/containers/${name}/archive?path=${encodeURIComponent(path)}`);
      return execFileSync('tar', ['-t'], { input: body, encoding: 'utf8' }).trim().split('\n');
    };
    for (const path of ['/.', '.', './', '/./']) assert.ok((await entries(path)).includes('./etc/passwd'), path);
    assert.ok((await entries('/etc/.')).includes('./passwd'));
    assert.ok((await entries('/etc')).includes('etc/passwd'));
  });

  test('mounts below a read-only bind are read-only since API 1.44 only', async () => {
    const options = async (version: string): Promise<string> => {
      const name = fresh('depth');
      await create(name, { Cmd: ['sh', '-c', 'grep " /dev/shm " /proc/self/mountinfo | cut -d" " -f6'], HostConfig: { Binds: ['/dev:/dev:ro'] } }, version);
      return (await docker.ok(['start', '-a', name])).stdout;
    };
    assert.doesNotMatch(await options('/v1.45'), /^rw/m);
    assert.match(await options('/v1.43'), /^rw/m);
  });

  test("what holds the engine's data is bound as a slave", async () => {
    const root = (await docker.ok(['info', '--format', '{{.DockerRootDir}}'])).stdout.trim();
    const name = fresh('root');
    await docker.ok(['run', '--name', name, '-v', `${root}:/engine:ro`, '-v', `${folder}:/other`, image, 'true']);
    assert.equal(await docker.format(name, '{{range .Mounts}}{{.Destination}}={{.Propagation}} {{end}}').then((text) => text.trim().split(' ').sort().join(' ')), '/engine=rslave /other=rprivate');
    assert.equal((await docker(['run', '--rm', '-v', `${root}:/engine:private`, image, 'true'])).code, 125);
  });
});

describe('containers', () => {
  test('limits are taken away from a running container', async () => {
    const name = fresh('limits');
    await docker.ok(['run', '-d', '--name', name, '--pids-limit', '32', '--cpu-quota', '20000', image, 'sleep', '1000']);
    await docker.ok(['update', '--pids-limit', '-1', '--cpu-quota', '-1', name]);
    const version = (await docker.ok(['info', '--format', '{{.CgroupVersion}}'])).stdout.trim();
    const read = async (v1: string, v2: string): Promise<string> => (await docker.ok(['exec', name, 'cat', `/sys/fs/cgroup/${version === '2' ? v2 : v1}`])).stdout.trim();
    assert.equal(await read('pids/pids.max', 'pids.max'), 'max');
    assert.match(await read('cpu/cpu.cfs_quota_us', 'cpu.max'), /^(-1|max \d+)$/);
  });

  test('an empty program name is not found', async () => {
    const run = await docker(['run', '--rm', image, '']);
    assert.equal(run.code, 127);
    assert.match(run.stderr, /exec: "": executable file not found in \$PATH/);
  });

  test('a restart goes on when its client has left', async () => {
    const name = fresh('restart');
    await docker.ok(['run', '-d', '--name', name, image, 'sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done']);
    const before = await docker.format(name, '{{.State.StartedAt}}');
    const call = request({ socketPath: socket, method: 'POST', path: `/v1.45/containers/${name}/restart?t=1` });
    call.on('error', () => {});
    call.end();
    setTimeout(() => call.destroy(), 200);
    await until(async () => (await docker.format(name, '{{.State.StartedAt}} {{.State.Status}}')) !== `${before} running` && (await docker.format(name, '{{.State.Running}}')) === 'true');
    assert.notEqual(await docker.format(name, '{{.State.StartedAt}}'), before);
  });

  test('a host name with dots is found in full and in short', async () => {
    assert.match((await docker.ok(['run', '--rm', '-h', 'foo.bar.com', image, 'cat', '/etc/hosts'])).stdout, /\tfoo\.bar\.com foo$/m);
  });
});
