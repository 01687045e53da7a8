/** `cp` by every rule of docker cp, with docker's CLI and our own; diff, commit and export. GANTRY_TEST_HOST judges the expectations. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createDockerCli, until, type DockerCli } from '../clients/docker-cli.ts';
import { clientHost, importBusybox } from '../clients/host.ts';

const image = 'gantry-test/copy-busybox:1';
const skip = process.getuid?.() === 0 ? false : 'needs root: containers with an engine of their own';
const own = join(import.meta.dirname, '../../gantry');

describe('copies', { skip }, () => {
  let docker: DockerCli;
  let url: string;
  let release: () => Promise<void>;
  let scratch: string;
  before(async () => {
    const host = await clientHost();
    ({ url, release } = host);
    docker = createDockerCli(url);
    scratch = mkdtempSync(join(tmpdir(), 'gantry-copy-'));
    await importBusybox(docker, image);
    const src = join(scratch, 'src');
    mkdirSync(join(src, 'dir/sub'), { recursive: true });
    writeFileSync(join(src, 'file'), 'one\n');
    writeFileSync(join(src, 'dir/sub/f2'), 'two\n');
    symlinkSync('file', join(src, 'lfile'));
    symlinkSync('dir', join(src, 'ldir'));
    chownSync(join(src, 'file'), 1234, 4321);
    chmodSync(join(src, 'file'), 0o4750);
  });
  after(async () => {
    await docker(['rmi', '-f', image]);
    rmSync(scratch, { recursive: true, force: true });
    await release();
  });

  for (const program of ['docker', 'gantry'] as const) {
    describe(`with ${program}`, () => {
      const name = `copy-${program}`;
      const src = (path: string): string => join(scratch, 'src', path);
      const out = (path: string): string => join(scratch, `out-${program}`, path);
      let cli: DockerCli;
      before(async () => {
        cli = createDockerCli(url, program === 'docker' ? 'docker' : own);
        mkdirSync(out(''), { recursive: true });
        await docker.ok(['run', '-d', '--name', name, '-v', `${name}:/vol`, '-v', '/etc:/ro:ro', image, 'sh', '-c',
          'mkdir -p /data/d1; echo hello > /data/f; ln -s f /data/lf; ln -s d1 /data/ld; ln -s /data/d1 /data/abs; ln -s ../../../../../../etc/passwd /up; echo v > /vol/v; touch /ready; exec top']);
        await until(async () => (await docker(['exec', name, 'ls', '/ready'])).code === 0);
      });
      after(async () => {
        await docker(['rm', '-fv', name]);
        await docker(['volume', 'rm', '-f', name]);
      });
      const get = (from: string, to: string, ...flags: string[]) => cli.ok(['cp', ...flags, `${name}:${from}`, to]);
      const put = (from: string, to: string, ...flags: string[]) => cli.ok(['cp', ...flags, from, `${name}:${to}`]);
      const inside = async (...command: string[]): Promise<string> => (await docker.ok(['exec', name, ...command])).stdout.trim();
      const refused = async (args: string[], message: RegExp): Promise<void> => {
        const { code, stderr } = await cli(['cp', ...args]);
        assert.equal(code, 1, args.join(' '));
        assert.match(stderr, message);
      };
      const tree = (path: string): string[] => readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();

      test('out: files and folders under every form of a path', async () => {
        await get('/data/f', out('')); // into a folder
        await get('/data/f', out('named'));
        assert.deepEqual([readFileSync(out('f'), 'utf8'), readFileSync(out('named'), 'utf8')], ['hello\n', 'hello\n']);
        await get('/data', out('new')); // the folder under a new name
        await get('/data', out('new')); // into the one that is there now
        assert.deepEqual(tree(out('new')), ['abs', 'd1', 'data', 'data/abs', 'data/d1', 'data/f', 'data/ld', 'data/lf', 'f', 'ld', 'lf']);
        await get('/data/.', out('dot'));
        await get('/data/.', out('dot'));
        assert.deepEqual(tree(out('dot')), ['abs', 'd1', 'f', 'ld', 'lf'], 'the content, again and again');
        await refused([`${name}:/data/f`, out('none/')], /no such directory|does not exist/);
        await refused([`${name}:/data`, out('f')], /cannot copy directory/);
        await refused([`${name}:/nope`, out('')], new RegExp(`Could not find the file /nope in container ${name}`));
      });

      test('out: links are links, unless they are to be followed or asked for as folders', async () => {
        await get('/data/lf', out('lf'));
        assert.equal(readlinkSync(out('lf')), 'f');
        await get('/data/lf', out('followed'), '-L');
        assert.equal(readFileSync(out('followed'), 'utf8'), 'hello\n');
        await get('/data/ld/', out('asfolder'));
        assert.ok(lstatSync(out('asfolder')).isDirectory());
        await get('/up', out('up'), '-L');
        assert.match(readFileSync(out('up'), 'utf8'), /^root:x:0:0:root:\/root:\/bin\/sh\n$/, 'the container’s file, not ours');
      });

      test('in: names, owners, links, and what is refused', async () => {
        await put(src('file'), '/in1');
        await put(src('file'), '/in2', '-a');
        assert.equal(await inside('stat', '-c', '%a %u %g', '/in1', '/in2'), '4750 1234 4321\n4750 1234 4321');
        await put(src('file'), '/data/d1/renamed');
        await put(src('dir'), '/newdir');
        await put(src('dir'), '/newdir');
        assert.deepEqual((await inside('find', '/newdir', '-type', 'f')).split('\n').sort(), ['/newdir/dir/sub/f2', '/newdir/sub/f2']);
        await put(`${src('dir')}/.`, '/content');
        assert.equal(await inside('find', '/content', '-type', 'f'), '/content/sub/f2');
        await put(src('file'), '/data/abs');
        assert.equal(await inside('ls', '/data/d1'), 'file\nrenamed', 'through an absolute link, inside');
        await put(src('lfile'), '/link');
        await put(src('lfile'), '/nolink', '-L');
        assert.equal(await inside('stat', '-c', '%F', '/link', '/nolink'), 'symbolic link\nregular file');
        await refused([src('file'), `${name}:/missing/`], /no such directory/i);
        await refused([src('file'), `${name}:/missing/x`], new RegExp(`Could not find the file /missing in container ${name}`));
        await refused([src('dir'), `${name}:/data/f`], /cannot copy directory/);
        await refused([src('nope'), `${name}:/x`], /lstat .*\/src\/nope: no such file or directory/);
        await refused([src('file'), `${name}:/ro/x`], /mounted volume is marked read-only/);
      });

      test('tar on stdin and stdout; -q', async () => {
        const tar = execFileSync('tar', ['-C', join(scratch, 'src'), '-cf', '-', 'file', 'dir']);
        await docker.ok(['exec', name, 'mkdir', '-p', '/tar']);
        const child = spawn(program === 'docker' ? 'docker' : own, ['cp', '-', `${name}:/tar`], { env: { ...process.env, DOCKER_HOST: url }, stdio: ['pipe', 'inherit', 'inherit'] });
        child.stdin.end(tar);
        assert.equal(await new Promise((resolve) => child.on('close', resolve)), 0);
        assert.equal(await inside('cat', '/tar/file', '/tar/dir/sub/f2'), 'one\ntwo');
        const back = execFileSync(program === 'docker' ? 'docker' : own, ['cp', `${name}:/tar`, '-'], { env: { ...process.env, DOCKER_HOST: url } });
        assert.deepEqual(execFileSync('tar', ['-tf', '-'], { input: back, encoding: 'utf8' }).trim().split('\n').sort(), ['tar/', 'tar/dir/', 'tar/dir/sub/', 'tar/dir/sub/f2', 'tar/file']);
        assert.equal((await put(src('file'), '/quiet', '-q')).stderr, '');
        await refused(['-', `${name}:/data/f`], /must be a directory/);
        await refused([`${name}:/a`, `${name}:/b`], /copying between containers is not supported/);
      });

      test('through volumes and binds, running and stopped', async () => {
        await get('/vol/v', out('v'));
        await put(src('file'), '/vol/in');
        await get('/ro/hostname', out('hostname'));
        assert.equal(existsSync(out('hostname')), existsSync('/etc/hostname'));
        await docker.ok(['stop', '-t', '0', name]);
        await put(src('file'), '/vol/stopped');
        await get('/vol/.', out('volume'));
        assert.deepEqual(tree(out('volume')), ['in', 'stopped', 'v']);
        await put(src('file'), '/stopped');
        await get('/stopped', out('stopped'));
        assert.equal(statSync(out('stopped')).mode & 0o777, 0o750);
        await docker.ok(['start', name]);
        assert.equal(await inside('cat', '/stopped'), 'one');
      });
    });
  }

  test('diff, commit and export after renames, whiteouts and replaced folders', async () => {
    await docker.ok(['run', '--name', 'base', image, 'sh', '-c', 'mkdir -p /a/sub /moved /gone; echo 1 > /a/1; echo x > /a/sub/x; ln -s /a /la; echo m > /moved/m']);
    await docker.ok(['commit', 'base', 'gantry-test/changed:1']);
    await docker.ok(['run', '--name', 'changes', 'gantry-test/changed:1', 'sh', '-c', 'rm -r /a; mkdir /a; touch /a/new; rm /la; mkdir /la; mv /moved /target; rm -r /gone; rm /etc/group; chmod 700 /tmp; chown 5 /etc/passwd; mkfifo /fifo; mkdir /t; touch /t/x; rm -r /t']);
    assert.deepEqual((await docker.ok(['diff', 'changes'])).stdout.trim().split('\n').sort(), [
      'A /a/new', 'A /fifo', 'A /target', 'A /target/m', 'C /a', 'C /etc', 'C /etc/passwd', 'C /la', 'C /tmp', 'D /a/1', 'D /a/sub', 'D /etc/group', 'D /gone', 'D /moved',
    ]);
    await docker.ok(['commit', '-a', 'Me <me@example>', '-m', 'two words', '-c', 'ENV A=b', '-c', 'ENTRYPOINT ["find", "/a", "/la", "/target", "/moved", "/gone"]', 'changes', 'gantry-test/changed:2']);
    assert.equal((await docker.ok(['inspect', '--format', '{{.Author}}|{{.Comment}}|{{.Config.Env}}|{{.Config.Cmd}}', 'gantry-test/changed:2'])).stdout.trim(), 'Me <me@example>|two words|[A=b]|[]');
    assert.deepEqual((await docker(['run', '--rm', 'gantry-test/changed:2'])).stdout.trim().split('\n').sort(), ['/a', '/a/new', '/la', '/target', '/target/m']);
    await docker.ok(['export', '-o', join(scratch, 'changes.tar'), 'changes']);
    const files = execFileSync('tar', ['-tf', join(scratch, 'changes.tar')], { encoding: 'utf8' }).split('\n');
    assert.deepEqual(files.filter((file) => /^(a|la|target|moved|gone|etc\/group)\b/.test(file)).sort(), ['a/', 'a/new', 'la/', 'target/', 'target/m']);
    await docker.ok(['run', '-d', '--name', 'pauses', image, 'top']);
    const since = String(Date.now() / 1000);
    await docker.ok(['commit', 'pauses', 'gantry-test/changed:3']);
    await docker.ok(['commit', '--pause=false', 'pauses', 'gantry-test/changed:3']);
    const events = await docker.ok(['events', '--since', since, '--until', String(Date.now() / 1000 + 0.001), '-f', 'type=container', '-f', 'container=pauses', '--format', '{{.Action}}']);
    assert.deepEqual(events.stdout.trim().split('\n'), ['pause', 'commit', 'unpause', 'commit']);
    assert.equal(await docker.format('pauses', '{{.State.Status}}'), 'running');
    await docker.ok(['rm', '-f', 'base', 'changes', 'pauses']);
    for (const tag of ['1', '2', '3']) await docker(['rmi', '-f', `gantry-test/changed:${tag}`]);
  });
});
