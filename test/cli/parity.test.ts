/**
 * Our CLI beside the unmodified docker CLI, on the same engine: the same output to the byte, the same error text, the same
 * exit code. The engine is a Gantry of this test's own, or the one that GANTRY_TEST_HOST names.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { goArchitecture } from '#spec/platform.ts';
import { mediaTypes } from '#spec/oci-image.ts';
import { blobsOf, buildImage, entryOf, indexOf, layout, type BuiltImage } from '../image/layouts.ts';
import { clientHost, importBusybox } from '../clients/host.ts';
import { createDockerCli, until, type CliResult, type DockerCli } from '../clients/docker-cli.ts';

const image = 'gantry-parity/busybox:1';
const multi = 'gantry-parity/multi:1';
const [up, done, made, network, volume] = ['up', 'done', 'made', 'net', 'vol'].map((name) => `gp-${name}-${process.pid}`) as [string, string, string, string, string];
const entry = new URL('../../src/gantry.ts', import.meta.url).pathname;
const substitutes: Readonly<Record<string, string>> = { IMAGE: image, MULTI: multi, UP: up, DONE: done, MADE: made, NET: network, VOL: volume };

let docker: DockerCli;
let url = '';
let version = '';
let release: () => Promise<void>;
let scratch: string;

before(async () => {
  const host = await clientHost();
  ({ url, release } = host);
  docker = createDockerCli(url, 'docker');
  // Answers differ from version to version of the API: both clients use the one of docker's.
  version = (await docker.ok(['version', '-f', '{{.Client.APIVersion}}'])).stdout.trim();
  scratch = mkdtempSync(join(tmpdir(), 'gantry-parity-'));
  await importBusybox(docker, image);
  await docker(['load', '-i', multiPlatform()]);
  await docker.ok(['network', 'create', network]);
  await docker.ok(['volume', 'create', '--label', 'a=b', volume]);
  await docker.ok(['run', '-d', '--name', up, '-p', '127.0.0.1::80', '-p', '81/udp', '-l', 'a=b', '-l', 'c.d-e=f', '--health-cmd', 'true', '--health-interval', '1s', image, 'sh', '-c', 'echo out; echo err >&2; exec sleep 1000']);
  await docker(['run', '--name', done, image, 'sh', '-c', 'touch /tmp/x; echo done; exit 3']);
  await docker.ok(['create', '--name', made, '-v', `${volume}:/data`, image, 'true']);
  await until(async () => (await docker.format(up, '{{.State.Health.Status}}')) === 'healthy');
});

after(async () => {
  for (const name of [up, done, made]) await docker(['rm', '-fv', name]);
  await docker(['network', 'rm', network]);
  await docker(['volume', 'rm', '-f', volume]);
  await docker(['rmi', '-f', image, multi]);
  rmSync(scratch, { recursive: true, force: true });
  await release();
});

/** An archive with an index of this machine's platform and another. */
function multiPlatform(): string {
  const [mine, other] = [goArchitecture(), 's390x'].map((architecture) => buildImage({ os: 'linux', architecture }, [{ name: 'arch', content: architecture }])) as [BuiltImage, BuiltImage];
  const index = indexOf(entryOf(other), entryOf(mine));
  const path = join(scratch, 'multi.tar');
  writeFileSync(path, layout(`docker.io/${multi}`, mediaTypes.ociIndex, index, [...blobsOf(mine), ...blobsOf(other)]));
  return path;
}

function gantry(args: string[], input?: string): Promise<CliResult> {
  const child = spawn(process.execPath, ['--', entry, ...args], {
    env: { ...process.env, DOCKER_HOST: url, DOCKER_API_VERSION: version, NODE_NO_WARNINGS: '1' },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout!.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr!.on('data', (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }));
  });
}

/** Names of the program, and times that pass between two calls, are no difference. */
function plain({ code, stdout, stderr }: CliResult): CliResult {
  const even = (text: string): string =>
    text
      .replace(/\bgantry\b/g, 'docker')
      .replace(/(\d+ (second|minute)s?|About a minute|Less than a second)( ago)?( \((healthy|health: starting)\))? */g, 'TIME ')
      .replace(/.*(CREATED|TIME).*/g, (row) => row.replace(/ {2,}/g, '  '));
  return { code, stdout: even(stdout), stderr: even(stderr) };
}

function same(line: string, input?: string): void {
  test(line, async () => {
    const args = words(line);
    const [theirs, ours] = [plain(await docker(args, input === undefined ? {} : { input })), plain(await gantry(args, input))];
    assert.deepEqual(ours, theirs);
  });
}

/** Words parted by spaces; quotes keep them together; capital names stand for this test's things. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare = '']) =>
    (quoted ?? bare).replace(/\b(IMAGE|MULTI|UP|DONE|MADE|NET|VOL)\b/g, (name) => substitutes[name] ?? name).replaceAll('SCRATCH', () => scratch),
  );
}

describe('lists', () => {
  for (const line of [
    'ps -f name=UP', 'ps -a -f name=gp-', 'ps -aq -f name=gp-', 'ps -aq --no-trunc -f name=gp-', 'ps -as -f name=DONE', 'ps -a --format json -f name=gp-',
    "ps -a -f name=gp- --format '{{json .}}'", "ps -a -f name=gp- --format 'table {{.Names}}\t{{.Label \"a\"}}\t{{.Networks}}\t{{.Mounts}}\t{{.LocalVolumes}}'",
    "ps -a -f name=gp- --format '{{.Names | upper}} {{len .ID}} {{.State}} {{.CreatedAt}}'", 'ps -a -f name=gp- --format raw', 'container ls -f status=exited -f name=gp-',
    'images IMAGE', 'images --no-trunc IMAGE', "images IMAGE --format '{{.Repository}}|{{.Tag}}|{{.ID}}|{{.Size}}|{{.VirtualSize}}'", 'image ls --format json IMAGE', 'images gantry-parity/none',
    'images --digests MULTI', 'images --tree MULTI', 'images --tree -q MULTI', 'images --tree --digests MULTI', 'images --tree -a MULTI', 'history --platform linux/s390x MULTI', "history --platform linux/s390x --format '{{.ID}} {{.CreatedBy}}' MULTI",
    'history IMAGE', 'history --no-trunc IMAGE', 'history -H=false IMAGE', 'history -q IMAGE',
    'network ls -f name=NET', 'network ls -q -f name=NET', "network ls -f name=NET --format '{{.Name}} {{.Driver}} {{.Internal}} {{.IPv6}} {{.CreatedAt}}'",
    'volume ls -f name=VOL', 'volume ls -q -f name=VOL', 'volume ls -f name=VOL --format json', 'port UP', 'port UP 80', 'port UP 81/udp', 'top UP -o pid,args', 'diff DONE',
    'logs UP', 'logs -n 1 DONE', 'logs --since 1h DONE', 'wait DONE', "stats --no-stream --format '{{.Name}} {{.ID}}' UP",
  ]) same(line);
});

describe('inspect', () => {
  for (const line of [
    'inspect MULTI', 'image inspect --platform linux/s390x MULTI', "image inspect -f '{{.Descriptor.Digest}} {{.Architecture}}' MULTI",
    'inspect DONE', 'inspect IMAGE', 'inspect NET', 'inspect VOL', 'inspect DONE MADE', 'container inspect -s DONE', 'image inspect IMAGE', 'network inspect NET', 'volume inspect VOL',
    'inspect --type container DONE', "inspect -f '{{.ID}} {{.State.Status}} {{.State.ExitCode}}' DONE", "inspect -f '{{json .State}}' DONE", "inspect -f '{{json .Config.Cmd}}' DONE",
    "inspect -f '{{.Config.Labels}} {{index .Config.Labels \"a\"}} {{index .Config.Labels \"none\"}}|' UP", "inspect -f '{{.Config.Labels.a}} {{.Config.Labels.none}}' UP",
    "inspect -f '{{range $p, $c := .NetworkSettings.Ports}}{{$p}}={{range $c}}{{.HostIp}};{{end}} {{end}}' UP", "inspect -f '{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostIp}}' UP",
    "inspect -f '{{.State.Health.Status}}' DONE", "inspect -f '{{if .State.Health}}yes{{else}}no{{end}}' DONE",
    "inspect -f '{{.HostConfig.CapAdd}} {{.HostConfig.Init}} {{.Config.Entrypoint}} {{.Config.Cmd}} {{.HostConfig.Memory}} {{.HostConfig.PortBindings}}' DONE",
    "inspect -f '{{join .Config.Cmd \",\"}} {{len .Mounts}} {{slice .ID 0 12}} {{title .Name}} {{println 1 2}}' DONE", "inspect -f '{{range .Mounts}}{{.Name}}:{{.Destination}}{{end}}' MADE",
    "inspect -f '{{.Foo}}' DONE", "inspect -f '{{.State.Foo}}' DONE", "inspect -f '{{.Name' DONE", "inspect -f '{{nope .Name}}' DONE", "inspect -f '{{eq .State.ExitCode 3}} {{eq .Name 3}}' DONE",
    "version -f '{{.Server.Version}} {{.Server.Os}}'", "version -f '{{.Foo}}'", "info -f '{{.ID}} {{.NCPU}} {{.Driver}}'", "info -f '{{.Foo}}'", "info -f '{{json .Plugins.Volume}}'",
  ]) same(line);
});

describe('processes', () => {
  for (const line of [
    'run --rm IMAGE echo hi', 'run --rm IMAGE false', "run --rm IMAGE sh -c 'echo o; echo e >&2; exit 7'", "run --rm IMAGE sh -c 'kill -9 $$'", "run --rm -a stderr IMAGE sh -c 'echo o; echo e >&2'",
    "run --rm -e A=b -w /tmp -u 1:2 -h box IMAGE sh -c 'echo $A; pwd; id -u; hostname'", "exec UP sh -c 'echo o; echo e >&2; exit 4'", "exec -e A=b -w /tmp -u 5 UP sh -c 'echo $A; pwd; id -u'", 'exec -d UP true', 'exec UP ls --nonsense',
  ]) same(line);
  same('run --rm -i IMAGE cat', 'one\ntwo');
  same('exec -i UP wc -c', 'x'.repeat(100_000));
});

describe('errors', () => {
  for (const line of [
    'run', 'run --foo IMAGE', 'run -p abc IMAGE', 'run --rm --restart always IMAGE true', 'run -it IMAGE true', 'run -d -a stdout IMAGE true', 'run --pull never gantry-parity/none', 'run --pull foo IMAGE', 'run --name UP IMAGE true',
    'run --rm --network nope IMAGE true', 'run --cidfile SCRATCH IMAGE true', 'run --env-file /no/such IMAGE', 'run --security-opt seccomp=/no/such IMAGE', 'create --name UP IMAGE', 'create -m x IMAGE', 'create BAD/Image',
    'ps x', 'ps --foo', 'ps -n x', 'ps --last', "ps --format '{{.ID'", "ps --format '{{.Foo}}'", 'ps -f foo', 'rename a', 'stop', 'cp a b', 'cp a', 'cp /no/such/file UP:/', 'cp SCRATCH/none UP:/', 'cp UP:/no/such SCRATCH/x', 'cp UP:/etc/passwd /no/such/x', 'nonsense', 'container nonsense',
    'inspect nope', 'inspect nope DONE', 'inspect --type foo x', 'container inspect nope', 'image inspect nope', 'volume inspect nope', 'network inspect nope', 'logs nope', 'logs --since foo UP', 'port UP 99', 'port UP x', 'top DONE', 'attach DONE', 'attach nope',
    'exec nope true', 'exec DONE true', 'exec UP', 'start nope', 'stop nope', 'restart nope', 'kill nope', 'kill -s FOO UP', 'pause nope', 'unpause UP', 'wait nope', 'rm nope', 'rm -f nope', 'rm UP', 'rename nope x', 'update UP', 'update nope -m 1g',
    'image inspect --platform linux/riscv64 MULTI', 'image inspect --platform foo/bar/baz/qux MULTI', 'history --platform linux/riscv64 MULTI', 'history --platform foo MULTI', 'save --platform a/b/c/d MULTI', 'rmi --platform a,b MULTI', 'history -H=false --platform linux/s390x MULTI', 'save --platform linux/riscv64 -o SCRATCH/x MULTI', 'rmi --platform linux/riscv64 MULTI', 'run --rm --pull never --platform linux/riscv64 MULTI true',
    'rmi nope', 'rmi -f nope', 'tag nope a', 'tag IMAGE A', 'tag IMAGE a:b:c', 'save nope', 'load -i /no/such', 'import /no/such', 'commit nope', 'commit DONE BAD', 'export nope', 'diff nope', 'history nope',
    'volume rm nope', 'volume rm -f nope', 'volume rm VOL', 'volume create --name a b', 'network rm nope', 'network rm -f nope', 'network connect nope UP', 'network connect NET nope', 'network disconnect NET UP', 'network create --gateway 1.2.3.4 x',
    'events --since foo', '--foo ps', '-H unix:///no/such ps', '--context nope ps', '-H a --context b ps', 'container prune -f --filter foo=bar', 'volume prune -f --filter foo=bar',
  ]) same(line);
});

describe('copies', () => {
  test('what goes in comes out', async () => {
    const path = join(scratch, 'file');
    writeFileSync(path, 'content');
    assert.deepEqual(plain(await gantry(['cp', path, `${done}:/tmp/in`])), { code: 0, stdout: '', stderr: '' });
    const ours = await gantry(['cp', `${done}:/tmp/in`, '-']);
    const theirs = await docker(['cp', `${done}:/tmp/in`, '-']);
    assert.equal(ours.stdout, theirs.stdout);
    assert.deepEqual(plain(await gantry(['cp', '-', `${done}:/tmp`], theirs.stdout)), { code: 0, stdout: '', stderr: '' });
  });
});

describe('answers to a question', () => {
  for (const line of ['container prune', 'volume prune', 'image prune', 'network prune', 'system prune']) same(line, 'n\n');
});
