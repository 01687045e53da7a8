/**
 * The unmodified docker CLI through the whole life of a container. Runs against Gantry, or with GANTRY_TEST_HOST
 * (unix:///... of any Docker engine) against that one, so that the expectations themselves can be checked.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createDockerCli, type DockerCli, until } from './docker-cli.ts';
import { clientHost, freePort, importBusybox } from './host.ts';

let docker: DockerCli;
let release: () => Promise<void>;
let scratch: string;
const image = 'gantry-test/busybox:1';
const made: string[] = [];

/** A container name that the clean-up knows. */
function fresh(stem: string): string {
  const name = `gt-${stem}-${process.pid}`;
  made.push(name);
  return name;
}

before(async () => {
  const host = await clientHost();
  release = host.release;
  docker = createDockerCli(host.url);
  scratch = mkdtempSync(join(tmpdir(), 'gantry-cli-'));
  await importBusybox(docker, image);
});

after(async () => {
  for (const name of made) await docker(['rm', '-fv', name]);
  await docker(['rmi', '-f', image]);
  rmSync(scratch, { recursive: true, force: true });
  await release();
});

describe('run', () => {
  test('--rm gives output, exit code and leaves nothing', async () => {
    const name = fresh('rm');
    const result = await docker(['run', '--rm', '--name', name, image, 'sh', '-c', 'echo out; echo err >&2; exit 7']);
    assert.deepEqual([result.code, result.stdout, result.stderr], [7, 'out\n', 'err\n']);
    assert.equal((await docker(['inspect', name])).code, 1);
  });

  test('a program that is not there ends with 127, one that cannot be run with 126, an unknown image with 125', async () => {
    assert.equal((await docker(['run', '--rm', image, '/no/such/program'])).code, 127);
    assert.equal((await docker(['run', '--rm', image, '/etc/passwd'])).code, 126);
    assert.equal((await docker(['run', '--rm', '--pull', 'never', 'gantry-test/none:1'])).code, 125);
    assert.equal((await docker(['run', '--rm', '--memory', '1k', image, 'true'])).code, 125);
  });

  test('-i passes stdin and its end', async () => {
    const result = await docker(['run', '-i', '--rm', image, 'sh', '-c', 'cat; echo end'], { input: 'one\ntwo' });
    assert.equal(result.stdout, 'one\ntwoend\n');
  });

  test('-i passes a megabyte through unchanged', async () => {
    const input = Buffer.alloc(1 << 20, 'abcdefghijklmnopqrstuvwxyz012345\n').toString();
    const result = await docker(['run', '-i', '--rm', image, 'cat'], { input });
    assert.equal(result.stdout.length, input.length);
    assert.ok(result.stdout === input);
  });

  test('-it is a terminal', async () => {
    const result = await docker.terminal(['run', '-it', '--rm', image, 'sh', '-c', 'test -t 0 && test -t 1 && tty']);
    assert.equal(result.code, 0);
    assert.match(result.output, /\/dev\/pts\/0\r\n/);
  });

  test('a signal to the client reaches the container', async () => {
    const name = fresh('sig');
    const running = docker.start(['run', '--name', name, image, 'sh', '-c', 'trap "echo got; exit 3" TERM; echo ready; while :; do sleep 0.05; done']);
    await running.waitFor('ready');
    running.process.kill('SIGTERM');
    const result = await running.done;
    assert.deepEqual([result.code, result.stdout], [3, 'ready\ngot\n']);
  });

  test('-d prints the id and goes on', async () => {
    const name = fresh('d');
    const result = await docker(['run', '-d', '--name', name, image, 'sleep', '1000']);
    assert.match(result.stdout, /^[0-9a-f]{64}\n$/);
    assert.equal(await docker.format(name, '{{.State.Status}} {{.State.Running}}'), 'running true');
    assert.equal((await docker(['stop', '-t', '0', name])).stdout, `${name}\n`);
    assert.equal(await docker.format(name, '{{.State.Status}} {{.State.ExitCode}}'), 'exited 137');
  });

  test('user, workdir, env, hostname, labels, read-only and tmpfs are honoured', async () => {
    const result = await docker([
      'run', '--rm', '--user', '1000:1001', '--workdir', '/made/here', '--env', 'A=b c', '--hostname', 'box', '--label', 'x=y',
      '--read-only', '--tmpfs', '/scratch:size=1m,mode=1777', image, 'sh', '-c',
      'id -u; id -g; pwd; echo "$A"; hostname; touch /scratch/ok && echo tmpfs; touch /no 2>/dev/null || echo read-only; df -k /scratch | tail -1 | awk \'{print $2}\'',
    ]);
    assert.equal(result.stdout, '1000\n1001\n/made/here\nb c\nbox\ntmpfs\nread-only\n1024\n');
  });

  test('capabilities, no-new-privileges and seccomp are as documented', async () => {
    const status = await docker(['run', '--rm', image, 'grep', '-E', 'CapEff|NoNewPrivs|Seccomp:', '/proc/self/status']);
    assert.match(status.stdout, /CapEff:\t00000000a80425fb/);
    assert.match(status.stdout, /Seccomp:\t2/);
    const bare = await docker(['run', '--rm', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--security-opt', 'seccomp=unconfined', image, 'grep', '-E', 'CapEff|NoNewPrivs|Seccomp:', '/proc/self/status']);
    assert.match(bare.stdout, /CapEff:\t0000000000000000/);
    assert.match(bare.stdout, /NoNewPrivs:\t1/);
    assert.match(bare.stdout, /Seccomp:\t0/);
  });

  test('limits reach the cgroup and inspect', async () => {
    const name = fresh('limits');
    await docker.ok(['run', '-d', '--name', name, '--memory', '64m', '--pids-limit', '50', '--cpus', '0.5', image, 'sleep', '1000']);
    assert.equal(await docker.format(name, '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.NanoCpus}}'), '67108864 50 500000000');
    const limit = await docker(['exec', name, 'sh', '-c', 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max']);
    assert.equal(limit.stdout, '67108864\n');
    await docker.ok(['update', '--memory', '96m', '--memory-swap', '96m', name]);
    const raised = await docker(['exec', name, 'sh', '-c', 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max']);
    assert.equal(raised.stdout, '100663296\n');
  });

  test('an OOM kill is seen and reported', async () => {
    const name = fresh('oom');
    const result = await docker(['run', '--name', name, '--memory', '16m', '--memory-swap', '16m', image, 'sh', '-c', 'tail /dev/zero']);
    assert.equal(result.code, 137);
    assert.equal(await docker.format(name, '{{.State.OOMKilled}}'), 'true');
  });

  test('-p publishes a port that answers', async () => {
    const name = fresh('port');
    const port = await freePort();
    await docker.ok(['run', '-d', '--name', name, '-p', `127.0.0.1:${port}:80`, image, 'sh', '-c', 'mkdir /www; echo hello > /www/index.html; httpd -f -p 80 -h /www']);
    await until(async () => (await fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text(), () => '')) === 'hello\n');
    assert.equal((await docker(['port', name])).stdout, `80/tcp -> 127.0.0.1:${port}\n`);
    const clash = await docker(['run', '-d', '--name', fresh('clash'), '-p', `127.0.0.1:${port}:80`, image, 'sleep', '1000']);
    assert.equal(clash.code, 125);
    assert.match(clash.stderr, /port is already allocated/);
  });

  test('-v: a bind, a named volume and an anonymous one', async () => {
    const name = fresh('vol');
    const volume = `gt-volume-${process.pid}`;
    writeFileSync(join(scratch, 'file'), 'from the host\n');
    const args = ['-v', `${scratch}:/bind:ro`, '-v', `${volume}:/named`, '-v', '/anonymous'];
    const first = await docker(['run', '--name', name, ...args, image, 'sh', '-c', 'cat /bind/file; touch /bind/x 2>/dev/null || echo ro; echo kept > /named/f; touch /anonymous/f']);
    assert.equal(first.stdout, 'from the host\nro\n');
    const second = await docker(['run', '--rm', '-v', `${volume}:/named`, image, 'cat', '/named/f']);
    assert.equal(second.stdout, 'kept\n');
    assert.match((await docker(['volume', 'rm', volume])).stderr, /volume is in use/);
    await docker.ok(['rm', '-v', name]);
    await docker.ok(['volume', 'rm', volume]);
  });

  test('--init reaps and --cidfile is written', async () => {
    const cidfile = join(scratch, 'cid');
    const result = await docker(['run', '--rm', '--init', '--cidfile', cidfile, image, 'sh', '-c', 'cat /proc/1/comm']);
    assert.notEqual(result.stdout, 'sh\n');
    assert.equal(result.code, 0);
    assert.match(readFileSync(cidfile, 'utf8'), /^[0-9a-f]{64}$/);
  });

  test('twenty at once all succeed', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, (_, index) => docker(['run', '--rm', image, 'echo', String(index)])));
    assert.deepEqual(results.map((result) => result.stdout), Array.from({ length: 20 }, (_, index) => `${index}\n`));
  });
});

describe('a container in the background', () => {
  let name: string;
  before(async () => {
    name = fresh('bg');
    await docker.ok(['run', '-d', '--name', name, '--label', `gt=${process.pid}`, image, 'sh', '-c', 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done']);
  });

  test('exec: output, codes, stdin, env, user, workdir, detached', async () => {
    assert.equal((await docker(['exec', name, 'echo', 'hi'])).stdout, 'hi\n');
    assert.equal((await docker(['exec', name, 'sh', '-c', 'exit 9'])).code, 9);
    // Docker 26 ends with 126 here, newer ones with 127.
    assert.match(String((await docker(['exec', name, 'no-such-program'])).code), /^12[67]$/);
    assert.equal((await docker(['exec', '-i', name, 'cat'], { input: 'in' })).stdout, 'in');
    assert.equal((await docker(['exec', '-e', 'A=1', '-u', '7:8', '-w', '/tmp', name, 'sh', '-c', 'echo $A $(id -u) $(id -g) $PWD'])).stdout, '1 7 8 /tmp\n');
    await docker.ok(['exec', '-d', name, 'touch', '/detached']);
    await until(async () => (await docker(['exec', name, 'ls', '/detached'])).code === 0);
  });

  test('exec -it is a terminal', async () => {
    const result = await docker.terminal(['exec', '-it', name, 'sh', '-c', 'tty; exit 4']);
    assert.equal(result.code, 4);
    assert.match(result.output, /\/dev\/pts\/\d/);
  });

  test('logs: all, tail, timestamps, since, follow', async () => {
    await until(async () => (await docker(['logs', name])).stdout.includes('line 3\n'));
    assert.match((await docker(['logs', name])).stdout, /^line 1\nline 2\n/);
    assert.match((await docker(['logs', '-n', '1', name])).stdout, /^line \d+\n$/);
    assert.match((await docker(['logs', '-t', '-n', '1', name])).stdout, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line \d+\n$/);
    assert.equal((await docker(['logs', '--until', '1', name])).stdout, '');
    const following = docker.start(['logs', '-f', '-n', '0', name]);
    await following.waitFor(/line \d+\n.*line \d+\n/s);
    following.process.kill('SIGINT');
    await following.done;
  });

  test('attach without stdin shows what comes', async () => {
    const attached = docker.start(['attach', '--no-stdin', '--sig-proxy=false', name]);
    await attached.waitFor(/line \d+\n/);
    attached.process.kill('SIGKILL');
    await attached.done;
  });

  test('ps: columns, filters and formats', async () => {
    const listed = await docker(['ps', '--filter', `label=gt=${process.pid}`, '--format', '{{.Names}}|{{.Image}}|{{.State}}']);
    assert.equal(listed.stdout, `${name}|${image}|running\n`);
    assert.match((await docker(['ps', '-a', '--filter', `name=${name}`])).stdout, /^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n[0-9a-f]{12} /);
    assert.match((await docker(['ps', '-s', '--filter', `name=${name}`, '--format', '{{.Size}}'])).stdout, /\d+B \(virtual /);
  });

  test('top and stats', async () => {
    assert.match((await docker(['top', name])).stdout, /^UID +PID .*CMD\n(.*\n)*.*while/);
    assert.match((await docker(['top', name, '-o', 'pid,args'])).stdout, /^PID +COMMAND\n/);
    const stats = await docker(['stats', '--no-stream', '--format', '{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}', name]);
    assert.match(stats.stdout, new RegExp(`^${name} [\\d.]+% [\\d.]+[KM]iB / [\\d.]+GiB [1-9]`));
  });

  test('pause, unpause and what is refused meanwhile', async () => {
    await docker.ok(['pause', name]);
    assert.equal(await docker.format(name, '{{.State.Status}}'), 'paused');
    assert.match((await docker(['exec', name, 'true'])).stderr, /is paused/);
    assert.match((await docker(['pause', name])).stderr, /already paused/);
    assert.match((await docker(['ps', '--filter', `name=${name}`, '--format', '{{.Status}}'])).stdout, /\(Paused\)/);
    await docker.ok(['unpause', name]);
    assert.equal(await docker.format(name, '{{.State.Status}}'), 'running');
  });

  test('cp both ways, diff and export', async () => {
    writeFileSync(join(scratch, 'in'), 'payload');
    await docker.ok(['cp', join(scratch, 'in'), `${name}:/copied`]);
    await docker.ok(['cp', `${name}:/copied`, join(scratch, 'out')]);
    assert.equal(readFileSync(join(scratch, 'out'), 'utf8'), 'payload');
    assert.match((await docker(['diff', name])).stdout, /^A \/copied$/m);
    await docker.ok(['export', '-o', join(scratch, 'root.tar'), name]);
    assert.ok(readFileSync(join(scratch, 'root.tar')).includes('copied'));
  });

  test('rename and restart keep the container', async () => {
    const id = await docker.format(name, '{{.Id}}');
    await docker.ok(['rename', name, `${name}-x`]);
    await docker.ok(['rename', `${name}-x`, name]);
    await docker.ok(['restart', '-t', '0', name]);
    assert.equal(await docker.format(name, '{{.Id}} {{.State.Running}}'), `${id} true`);
  });

  test('inspect --size and by short id', async () => {
    const inspected = JSON.parse((await docker.ok(['inspect', '--size', name])).stdout) as { Id: string; SizeRw: number; SizeRootFs: number }[];
    assert.ok(inspected[0] && inspected[0].SizeRootFs > inspected[0].SizeRw);
    assert.equal(await docker.format(inspected[0]!.Id.slice(0, 12), '{{.Name}}'), `/${name}`);
  });

  test('kill with a signal, wait gives the code', async () => {
    const waiting = docker(['wait', name]);
    await until(async () => (await docker(['kill', '-s', 'KILL', name])).code === 0);
    assert.equal((await waiting).stdout, '137\n');
    assert.match((await docker(['kill', name])).stderr, /is not running/);
  });
});

describe('life', () => {
  test('create, start -a, commit and remove', async () => {
    const name = fresh('create');
    await docker.ok(['create', '--name', name, image, 'sh', '-c', 'echo made > /made; cat /made']);
    assert.equal(await docker.format(name, '{{.State.Status}}'), 'created');
    assert.equal((await docker(['start', '-a', name])).stdout, 'made\n');
    const tag = `gantry-test/commit:${process.pid}`;
    assert.match((await docker.ok(['commit', '-c', 'CMD ["cat","/made"]', name, tag])).stdout, /^sha256:/);
    assert.equal((await docker(['run', '--rm', tag])).stdout, 'made\n');
    await docker.ok(['rmi', tag]);
    await docker.ok(['rm', name]);
  });

  test('a name in use, an unknown container and removing a running one are refused in docker\'s words', async () => {
    const name = fresh('refuse');
    await docker.ok(['run', '-d', '--name', name, image, 'sleep', '1000']);
    const again = await docker(['run', '-d', '--name', name, image, 'sleep', '1000']);
    assert.equal(again.code, 125);
    assert.match(again.stderr, /Conflict\. The container name "\/.*" is already in use by container/);
    assert.match((await docker(['start', 'gt-no-such'])).stderr, /No such container: gt-no-such/);
    assert.match((await docker(['rm', name])).stderr, /container is running: stop the container before removing or force remove/);
    await docker.ok(['rm', '-f', name]);
  });

  test('restart policy on-failure:2 gives up after two', async () => {
    const name = fresh('restart');
    await docker.ok(['run', '-d', '--name', name, '--restart', 'on-failure:2', image, 'sh', '-c', 'exit 5']);
    await until(async () => (await docker.format(name, '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}')) === '2 exited 5');
  });

  test('a health check turns healthy, then unhealthy', async () => {
    const name = fresh('health');
    await docker.ok(['run', '-d', '--name', name, '--health-cmd', 'test -e /tmp/ok', '--health-interval', '200ms', '--health-retries', '2', image, 'sh', '-c', 'mkdir -p /tmp; touch /tmp/ok; sleep 1000']);
    await until(async () => (await docker.format(name, '{{.State.Health.Status}}')) === 'healthy');
    await docker.ok(['exec', name, 'rm', '/tmp/ok']);
    await until(async () => (await docker.format(name, '{{.State.Health.Status}}')) === 'unhealthy');
  });

  test('events tell the life of a container in order', async () => {
    const name = fresh('events');
    const since = String(Math.floor(Date.now() / 1000) - 1);
    await docker.ok(['run', '--rm', '--network', 'none', '--name', name, image, 'true']);
    const seen = await docker(['events', '--since', since, '--until', String(Math.ceil(Date.now() / 1000) + 1), '--filter', `container=${name}`, '--filter', 'type=container', '--format', '{{.Action}}']);
    assert.equal(seen.stdout, 'create\nattach\nstart\ndie\ndestroy\n');
  });

  test('prune removes what stopped', async () => {
    const name = fresh('prune');
    await docker(['run', '--name', name, '--label', 'gt-prune=1', image, 'true']);
    await docker.ok(['container', 'prune', '-f', '--filter', 'label=gt-prune=1']);
    assert.equal((await docker(['inspect', name])).code, 1);
  });
});

describe('images', () => {
  test('save, remove, load and run again', async () => {
    const tag = `gantry-test/saved:${process.pid}`;
    await docker.ok(['tag', image, tag]);
    await docker.ok(['save', '-o', join(scratch, 'image.tar'), tag]);
    await docker.ok(['rmi', tag]);
    assert.match((await docker.ok(['load', '-i', join(scratch, 'image.tar')])).stdout, new RegExp(`Loaded image: ${tag}\n`));
    assert.equal((await docker(['run', '--rm', tag, 'echo', 'again'])).stdout, 'again\n');
    await docker.ok(['rmi', tag]);
  });

  test('ls, inspect, history and tag', async () => {
    assert.match((await docker(['images'])).stdout, /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\n/);
    assert.equal((await docker(['image', 'inspect', '-f', '{{.Os}} {{json .Config.Cmd}}', image])).stdout, 'linux ["sh"]\n');
    assert.match((await docker(['history', image])).stdout, /^IMAGE +CREATED +CREATED BY +SIZE +COMMENT\n/);
    assert.match((await docker(['rmi', 'gantry-test/nothing:1'])).stderr, /No such image: gantry-test\/nothing:1/);
  });
});

describe('system', () => {
  test('version, info and df', async () => {
    assert.match((await docker(['version', '--format', '{{.Server.APIVersion}} {{.Server.Os}}'])).stdout, /^1\.\d+ linux\n$/);
    assert.match((await docker(['info', '--format', '{{.NCPU}} {{.OSType}} {{.Driver}}'])).stdout, /^\d+ linux \w+\n$/);
    const df = (await docker(['system', 'df'])).stdout;
    assert.match(df, /^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE\nImages /);
    assert.equal((await docker(['system', 'df', '-v'])).code, 0);
  });

  test('an old client and a new one are told the range', async () => {
    const old = await docker(['version'], { env: { DOCKER_API_VERSION: '1.12' } });
    assert.match(old.stderr, /client version 1\.12 is too old\. Minimum supported API version is 1\.24/);
    assert.equal((await docker(['ps'], { env: { DOCKER_API_VERSION: '1.24' } })).code, 0);
    assert.match((await docker(['ps'], { env: { DOCKER_API_VERSION: '1.99' } })).stderr, /client version 1\.99 is too new/);
  });
});
