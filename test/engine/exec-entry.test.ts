/** What an exec is bound by: whatever way it takes into the container, it is held by the same things as the first process. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { detectCgroups } from '../../src/host/cgroup.ts';
import { createDockerCli, until, type DockerCli } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const image = 'test/busybox:1';
let engine: TestEngine;
let docker: DockerCli;

before(async () => {
  engine = await startEngine();
  docker = createDockerCli(engine.url);
  await importBusybox(docker, image);
});
after(() => engine.stop());

async function sleeper(name: string, ...options: string[]): Promise<{ id: string; pid: number }> {
  await docker.ok(['run', '-d', '--name', name, ...options, image, 'sleep', '100000']);
  const [id = '', pid = ''] = (await docker.format(name, '{{.Id}} {{.State.Pid}}')).split(' ');
  return { id, pid: Number(pid) };
}

/** What /proc says about privileges, without what differs from process to process. */
const privileges = (status: string): string[] => status.split('\n').filter((line) => /^(?:Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp|Seccomp_filters):/.test(line));

/** Host pids whose command line is this one. */
function pidsOf(command: string): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim() === command;
    } catch {
      return false;
    }
  });
}

const cgroupsOf = (pid: number): string[] => readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n').toSorted();

describe('an exec', () => {
  for (const [what, options] of Object.entries({
    'of a usual container': [],
    'of a user': ['--user', '1000:50', '--group-add', '44'],
    'without new privileges': ['--security-opt', 'no-new-privileges', '--cap-drop', 'ALL', '--cap-add', 'CHOWN'],
    'of a privileged container': ['--privileged'],
    'without seccomp': ['--security-opt', 'seccomp=unconfined'],
  })) {
    it(`${what} has the privileges of the first process, and no more`, async () => {
      await sleeper('bound', ...options);
      const { stdout } = await docker.ok(['exec', 'bound', 'sh', '-c', 'cat /proc/1/status; echo ---; exec cat /proc/self/status']);
      const [first = '', own = ''] = stdout.split('---\n');
      assert.ok(privileges(first).length >= 9);
      assert.deepEqual(privileges(own), privileges(first));
      await docker.ok(['rm', '-f', 'bound']);
    });
  }

  it('is in every cgroup of its container from its first instruction, with what it starts', async () => {
    const { pid } = await sleeper('grouped', '--cgroupns', 'host');
    const inside = async (): Promise<string[]> => (await docker.ok(['exec', 'grouped', 'sh', '-c', 'cat /proc/self/cgroup'])).stdout.trim().split('\n').toSorted();
    // v1's named hierarchies and controllers; v2 beside them has none and follows a moment later.
    const limiting = (lines: string[]): string[] => (detectCgroups().version === 2 ? lines : lines.filter((line) => !line.startsWith('0::')));
    assert.deepEqual(limiting(await inside()), limiting(cgroupsOf(pid)));
    await docker.ok(['rm', '-f', 'grouped']);
  });

  it('that lasts is where its container is, and the runtime that waits for it is not', async () => {
    const { pid, id } = await sleeper('lasting');
    const running = docker.start(['exec', 'lasting', 'sh', '-c', 'sleep 54321 & echo up; wait']);
    await running.waitFor('up');
    const [child = 0] = pidsOf('sleep 54321');
    const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${child}/status`, 'utf8'))?.[1]);
    const runtime = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${parent}/status`, 'utf8'))?.[1]);
    assert.ok(readFileSync(`/proc/${runtime}/cmdline`, 'latin1').includes(id));
    await until(async () => cgroupsOf(child).join() === cgroupsOf(pid).join() && cgroupsOf(parent).join() === cgroupsOf(pid).join());
    await until(async () => !cgroupsOf(runtime).some((line) => line.includes(id)));
    assert.ok(!(await docker.ok(['top', 'lasting', '-eo', 'pid,args'])).stdout.includes('--pid-file'));
    await docker.ok(['rm', '-f', 'lasting']);
    await running.done;
  });

  it('is never shown together with the runtime that started it', async () => {
    await sleeper('shown');
    const running = docker.start(['exec', 'shown', 'sh', '-c', 'echo up; exec sleep 1000']);
    await running.waitFor('up');
    const rows = (await docker.ok(['top', 'shown', '-eo', 'pid,args'])).stdout.trim().split('\n').slice(1);
    assert.equal(rows.length, 2, rows.join('\n'));
    await docker.ok(['rm', '-f', 'shown']);
    await running.done;
  });

  it('is held by the memory limit, and its twin within the limit is not', async () => {
    await sleeper('small', '--memory', '24m', '--memory-swap', '24m');
    const eat = (megabytes: number): string[] => ['exec', 'small', 'sh', '-c', `dd if=/dev/zero of=/dev/null bs=${megabytes}M count=1 2>/dev/null`];
    assert.equal((await docker(eat(4))).code, 0);
    assert.equal((await docker(eat(200))).code, 137);
    assert.equal((await docker(eat(4))).code, 0, 'the container and its execs go on');
    await docker.ok(['rm', '-f', 'small']);
  });

  it('is held by the limit of processes, also the one that has no room left', async () => {
    await sleeper('few', '--pids-limit', '6');
    const fill = docker.start(['exec', 'few', 'sh', '-c', 'for i in 1 2 3 4; do sleep 1000 & done; echo full; wait']);
    await fill.waitFor('full');
    const late = await docker(['exec', 'few', 'sh', '-c', 'sleep 0 & wait']);
    assert.notEqual(late.code, 0);
    assert.match((await docker.ok(['ps'])).stdout, /few/);
    await docker.ok(['rm', '-f', 'few']);
    await fill.done;
  });

  it('of a paused container is refused, and works when it goes on', async () => {
    await sleeper('paused');
    await docker.ok(['exec', 'paused', 'true']);
    await docker.ok(['pause', 'paused']);
    const refused = await docker(['exec', 'paused', 'true']);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /is paused, unpause the container before exec/);
    await docker.ok(['unpause', 'paused']);
    await docker.ok(['exec', 'paused', 'true']);
    await docker.ok(['rm', '-f', 'paused']);
  });

  it('follows its container through a restart', async () => {
    await sleeper('again', '--stop-timeout', '0');
    await docker.ok(['exec', 'again', 'true']);
    await docker.ok(['restart', 'again']);
    const { stdout } = await docker.ok(['exec', 'again', 'sh', '-c', 'cat /proc/1/comm; cat /proc/self/cgroup']);
    assert.match(stdout, /^sleep\n/);
    const pid = Number(await docker.format('again', '{{.State.Pid}}'));
    assert.equal(readlinkSync(`/proc/${pid}/ns/pid`), (await docker.ok(['exec', 'again', 'readlink', '/proc/self/ns/pid'])).stdout.trim());
    await docker.ok(['rm', '-f', 'again']);
  });

  it('starts twenty times at once', async () => {
    await sleeper('busy');
    const results = await Promise.all(Array.from({ length: 20 }, (_, index) => docker(['exec', 'busy', 'sh', '-c', `echo ${index}; exit ${index}`])));
    assert.deepEqual(results.map(({ code, stdout }) => [code, stdout]), Array.from({ length: 20 }, (_, index) => [index, `${index}\n`]));
    await docker.ok(['rm', '-f', 'busy']);
  });

  it('that is made and not started leaves no runtime waiting, also when the engine dies', async () => {
    const { id } = await sleeper('waiting');
    const create = async (): Promise<string> => {
      const answer = await fetchFrom(engine.socket, 'POST', '/v1.45/containers/waiting/exec', { Cmd: ['true'], AttachStdout: true });
      return (JSON.parse(answer) as { Id: string }).Id;
    };
    const runtimes = (): number[] => runtimesOf(id);
    const made = await Promise.all(Array.from({ length: 20 }, create));
    assert.ok(runtimes().length <= 8, 'bounded');
    await until(async () => runtimes().length === 0);
    // Started late it runs all the same.
    const late = await fetchFrom(engine.socket, 'POST', `/v1.45/exec/${made[0]}/start`, {});
    assert.equal(late, '');
    assert.match(await fetchFrom(engine.socket, 'GET', `/v1.45/exec/${made[0]}/json`), /"ExitCode":0/);
    await create();
    await until(async () => runtimes().length > 0);
    const pid = engine.enginePid();
    process.kill(pid, 'SIGKILL');
    await until(async () => engine.enginePid() !== pid && (await docker(['version'])).code === 0);
    await until(async () => runtimes().length === 0);
    await docker.ok(['exec', 'waiting', 'true']);
    await docker.ok(['rm', '-f', 'waiting']);
  });

  it('that was made before its container was restarted or paused enters what is there when it starts', async () => {
    await sleeper('changed', '--stop-timeout', '0');
    const create = async (): Promise<string> => (JSON.parse(await fetchFrom(engine.socket, 'POST', '/v1.45/containers/changed/exec', { Cmd: ['cat', '/proc/1/comm', '/proc/self/cgroup'], AttachStdout: true, AttachStderr: true })) as { Id: string }).Id;
    const first = await create();
    await docker.ok(['restart', 'changed']);
    const refused = await fetchFrom(engine.socket, 'POST', `/v1.45/exec/${first}/start`, {});
    assert.doesNotMatch(refused, /sleep/, 'its container’s former run is over');
    const second = await create();
    await docker.ok(['pause', 'changed']);
    assert.match(await fetchFrom(engine.socket, 'POST', `/v1.45/exec/${second}/start`, {}), /is paused/);
    await docker.ok(['unpause', 'changed']);
    assert.match(await fetchFrom(engine.socket, 'POST', `/v1.45/exec/${second}/start`, {}), /sleep\n/);
    await docker.ok(['rm', '-f', 'changed']);
  });

  it('takes more than a pipe holds of arguments and variables', async () => {
    await sleeper('much');
    const words = Array.from({ length: 30 }, (_, index) => `${index}${'x'.repeat(9000)}`);
    const { stdout } = await docker.ok(['exec', '-e', `LONG=${'y'.repeat(100_000)}`, 'much', 'sh', '-c', 'echo $# ${#LONG}', 'sh', ...words]);
    assert.equal(stdout, '30 100000\n');
    await docker.ok(['rm', '-f', 'much']);
  });
});

/** Runtimes that are on their way into this container. */
function runtimesOf(id: string): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
      return words.includes('exec') && words.includes('--pid-file') && words.includes(id);
    } catch {
      return false;
    }
  });
}

function fetchFrom(socketPath: string, method: string, path: string, body?: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, agent: false, headers: body === undefined ? {} : { 'Content-Type': 'application/json' } }, (answer) => {
      text(answer).then(resolve, reject);
    });
    call.on('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
