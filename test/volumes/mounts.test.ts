/** Volumes and mounts in every form, through the docker CLI and our own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createDockerCli, type DockerCli } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const image = 'gantry-test/mounts-busybox:1';
const skip = process.getuid?.() === 0 ? false : 'needs root: containers with an engine of their own';

describe('volumes and mounts', { skip }, () => {
  let engine: TestEngine;
  let docker: DockerCli;
  let gantry: DockerCli;
  let scratch: string;
  const host = (name: string): string => join(scratch, name);
  const run = async (args: string[]): Promise<string> => (await docker.ok(['run', '--rm', ...args])).stdout.trimEnd();
  const refused = async (args: string[], message: RegExp, code = 125): Promise<void> => {
    const result = await docker(['run', '--rm', ...args, image, 'true']);
    assert.match(result.stderr, message);
    assert.equal(result.code, code);
  };
  const mounted = (): string[] => engine.traces().mounts;

  before(async () => {
    engine = await startEngine();
    docker = createDockerCli(engine.url);
    gantry = createDockerCli(engine.url, join(import.meta.dirname, '../../gantry'));
    scratch = mkdtempSync(join(tmpdir(), 'gantry-mounts-'));
    await importBusybox(docker, image);
  });
  after(async () => {
    await engine.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  test('a volume outlives its containers; labels, filters, who uses it, update', async () => {
    await docker.ok(['volume', 'create', '--label', 'team=a', 'keep']);
    await run(['-v', 'keep:/d', image, 'sh', '-c', 'echo data > /d/f']);
    assert.equal(await run(['-v', 'keep:/d:ro', image, 'cat', '/d/f']), 'data');
    await docker.ok(['create', '--name', 'user', '-v', 'keep:/d', image]);
    const ls = async (filter: string): Promise<string> => (await docker.ok(['volume', 'ls', '-q', '-f', filter])).stdout.trim();
    assert.deepEqual([await ls('label=team=a'), await ls('dangling=true'), await ls('dangling=false'), await ls('name=ee'), await ls('driver=local')], ['keep', '', 'keep', 'keep', 'keep']);
    const busy = await docker(['volume', 'rm', 'keep']);
    assert.match(busy.stderr, /^Error response from daemon: remove keep: volume is in use - \[[0-9a-f]{64}\]\n$/);
    const update = await docker(['volume', 'update', '--availability', 'drain', 'keep']);
    assert.match(update.stderr, /can only update cluster volumes/i);
    await docker.ok(['rm', 'user']);
    await docker.ok(['volume', 'rm', 'keep']);
  });

  test('options of the local driver: mounted for the first user, unmounted after the last, a crash included', async () => {
    mkdirSync(host('bound'));
    await docker.ok(['volume', 'create', '-o', 'type=none', '-o', `device=${host('bound')}`, '-o', 'o=bind', 'away']);
    await docker.ok(['volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m,uid=7', 'ram']);
    const data = (name: string): string => join(engine.root, 'volumes', name, '_data');
    await docker.ok(['create', '--name', 'first', '-v', 'away:/d', '-v', 'ram:/r', image, 'sh', '-c', 'stat -c %u /r; grep -c " /r tmpfs.*size=1024k" /proc/mounts; cat']);
    writeFileSync(host('in'), 'copied');
    await docker.ok(['cp', host('in'), 'first:/d/in']);
    assert.equal(readFileSync(join(host('bound'), 'in'), 'utf8'), 'copied', 'a copy into a container that never ran');
    assert.deepEqual(mounted(), []);
    await docker.ok(['run', '-d', '--name', 'second', '-v', 'away:/d', '-v', 'ram:/r', image, 'top']);
    assert.equal((await docker.ok(['start', '-a', 'first'])).stdout, '7\n1\n');
    assert.ok(mounted().includes(data('ram')) && mounted().includes(data('away')), 'the other still runs');
    process.kill(engine.enginePid(), 'SIGKILL');
    await docker.ok(['exec', 'second', 'sh', '-c', 'echo lives > /d/lives']);
    assert.ok(existsSync(join(host('bound'), 'lives')));
    await docker.ok(['rm', '-f', 'second']);
    assert.deepEqual(mounted(), []);
    await docker.ok(['rm', 'first']);
    await docker.ok(['volume', 'prune', '-af']);
    assert.match((await docker.ok(['volume', 'ls', '-q'])).stdout, /^away$/m, 'a prune leaves those with options alone');
    await docker.ok(['volume', 'rm', 'away', 'ram']);
    assert.ok(existsSync(join(host('bound'), 'in')));
    await docker.ok(['volume', 'create', '-o', 'type=none', '-o', `device=${host('nothing')}`, '-o', 'o=bind', 'gone']);
    await refused(['-v', 'gone:/d'], /error while mounting volume '.*\/gone\/_data': failed to mount local volume: mount .*, flags: 0x1000: no such file or directory/, 127);
    await docker.ok(['volume', 'rm', 'gone']);
  });

  test('anonymous volumes go with rm -v, --rm and a prune; named ones only with prune -a', async () => {
    const count = async (): Promise<number> => (await docker.ok(['volume', 'ls', '-q'])).stdout.split('\n').filter(Boolean).length;
    await run(['-v', '/anon', '-v', 'named:/n', image, 'true']);
    assert.equal(await count(), 1);
    await docker.ok(['create', '--name', 'owner', '-v', '/anon', '-v', '/shared', image]);
    await docker.ok(['create', '--name', 'heir', '--volumes-from', 'owner:ro', image]);
    assert.deepEqual((await docker.format('heir', '{{range .Mounts}}{{.Destination}} {{.RW}} {{end}}')).trim().split(' ').sort(), ['/anon', '/shared', 'false', 'false']);
    await docker.ok(['rm', '-v', 'owner']);
    assert.equal(await count(), 3, 'the heir still uses them');
    await docker.ok(['rm', 'heir']);
    assert.match((await docker.ok(['volume', 'prune', '-f', '--filter', 'label=none'])).stdout, /Total reclaimed space: 0B/);
    await docker.ok(['volume', 'prune', '-f']);
    assert.equal(await count(), 1);
    await docker.ok(['volume', 'prune', '-f', '--filter', 'all=1']);
    assert.equal(await count(), 0);
  });

  test('filled from the image at creation: whichever container starts first; nocopy; a file in the way', async () => {
    await docker.ok(['create', '--name', 'source', '-v', 'filled:/etc', image]);
    assert.match(await run(['-v', 'filled:/there', image, 'ls', '/there']), /passwd/);
    assert.equal(await run(['--mount', 'type=volume,src=empty,dst=/etc/sub,volume-nocopy', image, 'ls', '/etc/sub']), '');
    await run(['-v', 'filled:/x', image, 'sh', '-c', 'rm -r /x/* && rm -rf /x/.[a-z]*']);
    await docker.ok(['start', '-a', 'source']);
    assert.doesNotMatch(await run(['-v', 'filled:/x', image, 'ls', '/x']), /passwd/, 'offered once, not at every start');
    await refused(['-v', 'onfile:/etc/passwd'], /cannot mount volume over existing file, file exists .*\/etc\/passwd/);
    await docker.ok(['rm', 'source']);
    await run(['-v', 'partly:/p', image, 'mkdir', '/p/sub']);
    assert.match(await run(['--mount', 'type=volume,src=partly,dst=/etc,volume-subpath=sub', image, 'ls', '/etc']), /passwd/, 'an empty part of a volume, too');
    assert.equal(await run(['-v', 'partly:/p', image, 'ls', '/p']), 'sub');
    await docker.ok(['volume', 'prune', '-af']);
  });

  test('read-only reaches what is mounted below; recursion as asked', async () => {
    const deep = host('deep');
    mkdirSync(join(deep, 'sub'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(deep, 'sub')]);
    try {
      const write = (mount: string): Promise<string> => run(['--mount', `type=bind,src=${deep},dst=/b,${mount}`, image, 'sh', '-c', 'grep -c " /b/sub " /proc/mounts; touch /b/x 2>/dev/null && echo top; touch /b/sub/x 2>/dev/null && echo sub; true']);
      assert.equal(await write('bind-propagation=rprivate'), '1\ntop\nsub');
      assert.equal(await write('ro'), '1');
      assert.equal(await write('ro,bind-recursive=readonly,bind-propagation=rprivate'), '1');
      assert.equal(await write('ro,bind-recursive=writable'), '1\nsub');
      assert.equal(await write('bind-recursive=disabled'), '0\ntop\nsub');
    } finally {
      execFileSync('umount', [join(deep, 'sub')]);
    }
  });

  test('missing sources: -v makes them, --mount only when asked', async () => {
    assert.equal(await run(['-v', `${host('made/deep')}:/x`, image, 'stat', '-c', '%a %F', '/x']), '755 directory');
    await refused(['--mount', `type=bind,src=${host('no')},dst=/x`], /invalid mount config for type "bind": bind source path does not exist: /);
    assert.equal(existsSync(host('no')), false);
    await gantry.ok(['run', '--rm', '--mount', `type=bind,src=${host('asked')},dst=/x,bind-create-src`, image, 'true']);
    assert.ok(existsSync(host('asked')));
    await refused(['-v', `${scratch}:/etc/passwd`], /error mounting ".*" to rootfs at "\/etc\/passwd".*Are you trying to mount a directory onto a file/);
  });

  test('files, sockets, nested and overlapping mounts, below a read-only root', async () => {
    writeFileSync(host('file'), 'file\n');
    const server = createServer((socket) => socket.end('hello\n')).listen(host('sock'));
    try {
      const out = await run([
        '--read-only', '-v', `${host('file')}:/etc/new/file:ro,z`, '-v', `${host('sock')}:/run/s.sock`, '-v', 'outer:/o', '-v', `${host('file')}:/o/in/file`, '--tmpfs', '/o/in/t',
        '-v', 'inner:/o/in', image, 'sh', '-c', 'cat /etc/new/file /o/in/file; test -S /run/s.sock && echo socket; touch /o/in/t/x /o/in/y /o/z && echo written; touch /no 2>&1; true',
      ]);
      assert.equal(out, 'file\nfile\nsocket\nwritten\ntouch: /no: Read-only file system');
    } finally {
      server.close();
    }
    assert.deepEqual((await docker.ok(['run', '--rm', '-v', 'inner:/i', image, 'ls', '/i'])).stdout.trim().split('\n'), ['file', 't', 'y'], 'the inner mount took it');
    await docker.ok(['volume', 'prune', '-af']);
  });

  test('tmpfs size and mode; subpaths of volumes stay in them', async () => {
    assert.match(await run(['--mount', 'type=tmpfs,dst=/t,tmpfs-size=2m,tmpfs-mode=1770', image, 'sh', '-c', 'stat -c %a /t; grep " /t " /proc/mounts']), /^1770\ntmpfs \/t tmpfs .*size=2048k/);
    await run(['-v', 'parts:/p', image, 'sh', '-c', 'mkdir /p/sub; echo part > /p/sub/f; ln -s /etc /p/evil; ln -s sub /p/tame']);
    const part = (subpath: string, ...command: string[]): Promise<string> => run(['--mount', `type=volume,src=parts,dst=/x,volume-subpath=${subpath}`, image, ...command]);
    assert.deepEqual([await part('sub', 'ls', '/x'), await part('sub/f', 'cat', '/x'), await part('tame', 'ls', '/x')], ['f', 'part', 'f']);
    await refused(['--mount', 'type=volume,src=parts,dst=/x,volume-subpath=evil'], /path concatenation escapes the base directory, base: .*\/parts\/_data, subpath: evil/);
    await refused(['--mount', 'type=volume,src=parts,dst=/x,volume-subpath=none'], /cannot access path .*: lstat .*\/parts\/_data\/none: no such file or directory/, 127);
    await docker.ok(['volume', 'rm', 'parts']);
  });

  test('an image as a mount: read-only, in parts, kept while it is used', async () => {
    await docker.ok(['run', '--name', 'layered', image, 'sh', '-c', 'mkdir /data; echo two > /data/f']);
    await docker.ok(['commit', 'layered', 'gantry-test/data:1']);
    await docker.ok(['rm', 'layered']);
    assert.equal(await run(['--mount', 'type=image,src=gantry-test/data:1,dst=/i', image, 'sh', '-c', 'cat /i/data/f; touch /i/x 2>/dev/null || echo ro']), 'two\nro');
    assert.equal(await run(['--mount', 'type=image,src=gantry-test/data:1,dst=/i,image-subpath=data', image, 'ls', '/i']), 'f');
    await docker.ok(['create', '--name', 'holds', '--mount', 'type=image,src=gantry-test/data:1,dst=/i', image, 'cat', '/i/data/f']);
    await docker.ok(['rmi', '-f', 'gantry-test/data:1']);
    assert.equal((await docker.ok(['start', '-a', 'holds'])).stdout, 'two\n');
    assert.equal(await docker.format('holds', '{{(index .Mounts 0).Type}} {{(index .Mounts 0).Name}} {{(index .Mounts 0).RW}}'), 'image gantry-test/data:1 false');
    await docker.ok(['rm', 'holds']);
  });

  test('idmapped binds: what root makes in the container belongs to a user of the host', async () => {
    const own = host('own');
    mkdirSync(own);
    chownSync(own, 1234, 4321);
    const cli = (program: DockerCli, args: string[]): Promise<{ stdout: string }> => program.ok(['run', '--rm', ...args]);
    await cli(gantry, ['--mount', `type=bind,src=${own},dst=/m,idmap=1234:4321`, image, 'sh', '-c', 'stat -c %u:%g /m; touch /m/by-root; touch /m/by-seven; chown 7:7 /m/by-seven']);
    const owner = (name: string): number[] => [statSync(join(own, name)).uid, statSync(join(own, name)).gid];
    assert.deepEqual([owner('by-root'), owner('by-seven')], [[1234, 4321], [1241, 4328]]);
    const seen = await cli(docker, ['-v', `${own}:/m:idmap=uids=1234-5-1;gids=4321-6-1`, image, 'stat', '-c', '%u:%g', '/m/by-root']);
    assert.equal(seen.stdout, '5:6\n', 'docker’s CLI passes it on');
    await cli(docker, ['-v', `${own}:/m`, image, 'touch', '/m/plain']);
    assert.deepEqual(owner('plain'), [0, 0], 'the harmless twin');
    assert.match((await gantry(['run', '--rm', '--mount', `type=bind,src=${own},dst=/m,idmap=x`, image])).stderr, /invalid idmap 'x'/);
  });

  test('propagation, and the refusal of what the source cannot do', async () => {
    const shared = host('shared');
    mkdirSync(join(shared, 'later'), { recursive: true });
    execFileSync('mount', ['--bind', shared, shared]);
    execFileSync('mount', ['--make-private', shared]);
    try {
      await refused(['-v', `${shared}:/s:rshared`], /is mounted on .* but it is not a shared mount/);
      execFileSync('mount', ['--make-shared', shared]);
      await docker.ok(['run', '-d', '--name', 'slave', '-v', `${shared}:/s:rslave`, image, 'top']);
      execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(shared, 'later')]);
      assert.match((await docker.ok(['exec', 'slave', 'grep', ' /s/later ', '/proc/mounts'])).stdout, /tmpfs/);
      await docker.ok(['rm', '-f', 'slave']);
    } finally {
      for (const path of [join(shared, 'later'), shared]) execFileSync('umount', ['-l', path]);
    }
  });

  test('events of a volume’s life', async () => {
    const since = String(Date.now() / 1000);
    await run(['-v', 'told:/t', image, 'true']);
    await docker.ok(['volume', 'rm', 'told']);
    const events = await docker.ok(['events', '--since', since, '--until', String(Date.now() / 1000 + 0.001), '-f', 'type=volume', '--format', '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.driver}} {{.Actor.Attributes.destination}}']);
    assert.deepEqual(events.stdout.trim().split('\n'), ['create told local <no value>', 'mount told local /t', 'unmount told local <no value>', 'destroy told local <no value>']);
  });

  test('sizes in df; --storage-opt size is refused clearly where the file system cannot', async () => {
    await run(['-v', 'sized:/s', image, 'sh', '-c', 'dd if=/dev/zero of=/s/f bs=1000 count=50 2>/dev/null']);
    assert.match((await docker.ok(['system', 'df', '-v', '--format', '{{range .Volumes}}{{.Name}} {{.Links}} {{.Size}}\n{{end}}'])).stdout, /^sized 0 50kB$/m);
    await docker.ok(['volume', 'rm', 'sized']);
    await refused(['--storage-opt', 'size=1G'], /--storage-opt is supported only for overlay over xfs with 'pquota' mount option/);
  });

  test('the data root is closed to other users (CVE-2021-41091)', async () => {
    await run(['-v', 'secret:/s', image, 'sh', '-c', 'cp /bin/busybox /s/su && chmod 4755 /s/su']);
    const path = join(engine.root, 'volumes/secret/_data/su');
    assert.equal(statSync(path).mode & 0o7777, 0o4755);
    const asNobody = (file: string): boolean => {
      try {
        execFileSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'cat', file], { stdio: 'ignore' });
        return true;
      } catch {
        return false;
      }
    };
    assert.equal(asNobody(path), false);
    chmodSync(scratch, 0o755);
    writeFileSync(host('open'), '');
    symlinkSync('open', host('link'));
    assert.equal(asNobody(host('open')), true, 'the harmless twin');
    await docker.ok(['volume', 'rm', 'secret']);
    assert.deepEqual(mounted(), [], 'nothing is mounted after all this');
  });
});
