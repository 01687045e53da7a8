import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { planned, Sandbox, skip } from './sandbox.ts';

const line = (mounts: string, target: string): string => mounts.split('\n').find((each) => each.split(' ')[2] === target) ?? '';

describe('the mounts of a container', { skip }, () => {
  const box = new Sandbox();
  after(() => box[Symbol.dispose]());
  const host = (name: string): string => {
    const path = join(box.folder, name);
    mkdirSync(path, { recursive: true });
    return path;
  };

  test('kernel file systems as Docker mounts them', () => {
    const { stdout } = box.run('mount');
    assert.match(line(stdout, '/proc'), /^proc on \/proc type proc \(rw,nosuid,nodev,noexec/);
    assert.match(line(stdout, '/sys'), /^sysfs .*\(ro,nosuid,nodev,noexec/);
    assert.match(line(stdout, '/dev'), /^tmpfs .*\(rw,nosuid,size=65536k,mode=755/);
    assert.match(line(stdout, '/dev/shm'), /^shm .*\(rw,nosuid,nodev,noexec,relatime,size=65536k\)/);
    assert.match(line(stdout, '/dev/mqueue'), /nosuid,nodev,noexec/);
    assert.match(line(stdout, '/dev/pts'), /gid=5,mode=620,ptmxmode=666/);
  });

  test('shm size, and none of it with --ipc none', () => {
    assert.match(line(box.run('mount', { hostConfig: { ShmSize: 1 << 20 } }).stdout, '/dev/shm'), /size=1024k/);
    assert.equal(line(box.run('mount', { hostConfig: { IpcMode: 'none' } }).stdout, '/dev/shm'), '');
  });

  test('binds: writable, read-only, a single file, made when missing', () => {
    const source = host('bind');
    writeFileSync(join(source, 'file'), 'from host');
    const missing = join(box.folder, 'made/by/bind');
    const { stdout, stderr, status } = box.run('cat /in/file && echo back > /in/back && ! touch /ro/x 2>/dev/null && cat /one && touch /made/x', {
      mounts: [
        planned({ type: 'bind', source, destination: '/in' }),
        planned({ type: 'bind', source, destination: '/ro', rw: false }),
        planned({ type: 'bind', source: join(source, 'file'), destination: '/one' }),
        planned({ type: 'bind', source: missing, destination: '/made', createSource: true }),
      ],
    });
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.equal(stdout, 'from hostfrom host');
    assert.equal(readFileSync(join(source, 'back'), 'utf8'), 'back\n');
    assert.ok(existsSync(join(missing, 'x')));
  });

  test('a single file, writable and read-only, over a file and where there is none; mount points as a commit should find them', () => {
    const source = join(host('single'), 'file');
    writeFileSync(source, 'one');
    box.file('/etc/motd', 'image');
    const file = (destination: string, rw: boolean) => planned({ type: 'bind', source, destination, rw });
    const { stdout, stderr } = box.run('cat /etc/motd /new/deep/file; touch /etc/motd 2>&1; ls -ld /new /new/deep | cut -c 1-10', {
      mounts: [file('/etc/motd', false), file('/new/deep/file', false), file('/new/rw', true)],
    });
    assert.equal(stderr, '');
    assert.equal(stdout, 'oneonetouch: /etc/motd: Read-only file system\ndrwxr-xr-x\ndrwxr-xr-x\n');
    const folder = host('onto');
    assert.throws(() => box.run('true', { mounts: [planned({ type: 'bind', source: folder, destination: '/etc/group' })] }), /Are you trying to mount a directory onto a file/);
    assert.throws(() => box.run('true', { mounts: [file('/home', true)] }), /Are you trying to mount a directory onto a file/);
  });

  test('a bind whose source is missing and must not be made is refused by name', () => {
    assert.throws(() => box.run('true', { mounts: [planned({ type: 'bind', source: '/nope/x', destination: '/x' })] }), /bind source path does not exist: \/nope\/x/);
  });

  test('shared propagation needs a shared mount', () => {
    const { target, fields } = { target: '/', fields: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').find((each) => each.split(' ')[4] === '/')?.split(' ') ?? [] };
    const shared = fields.some((word) => word.startsWith('shared:'));
    const run = (): unknown => box.run('true', { mounts: [planned({ type: 'bind', source: host('shared'), destination: '/x', propagation: 'rshared' })] });
    if (shared) assert.doesNotThrow(run);
    else assert.throws(run, new RegExp(`is mounted on .* but it is not a shared mount`), target);
  });

  test('tmpfs: Docker’s defaults, own options, read-only', () => {
    const { stdout } = box.run('mount; stat -c "%a %u" /opts', {
      mounts: [
        planned({ type: 'tmpfs', destination: '/plain', origin: 'tmpfs' }),
        planned({ type: 'tmpfs', destination: '/opts', origin: 'tmpfs', tmpfsOptions: ['exec', 'size=2m', 'mode=1750', 'uid=7'] }),
        planned({ type: 'tmpfs', destination: '/ro', rw: false }),
      ],
    });
    assert.match(line(stdout, '/plain'), /\(rw,nosuid,nodev,noexec,relatime\)/);
    assert.match(line(stdout, '/opts'), /\(rw,nosuid,nodev,relatime,size=2048k,mode=1750,uid=7\)/);
    assert.match(line(stdout, '/ro'), /\(ro,/);
    assert.match(stdout, /^1750 7$/m);
  });

  test('a read-only root keeps mounts writable', () => {
    const { stdout } = box.run('touch /x 2>&1; touch /dev/shm/x /vol/x && echo fine', {
      hostConfig: { ReadonlyRootfs: true },
      mounts: [planned({ type: 'volume', source: host('vol'), destination: '/vol', name: 'v' })],
    });
    assert.match(stdout, /touch: \/x: Read-only file system\nfine/);
  });

  test('cgroups are writable only when asked', () => {
    const access = (options: string[]): string => /cgroup\w* on \/sys\/fs\/cgroup\S* type cgroup\w* \((r[wo])/.exec(box.run('mount', { hostConfig: { SecurityOpt: options } }).stdout)?.[1] ?? '';
    assert.deepEqual([access([]), access(['writable-cgroups=true'])], ['ro', 'rw']);
  });

  test('a mount on /dev replaces the default ones', () => {
    const { stdout } = box.run('mount', { mounts: [planned({ type: 'bind', source: '/dev', destination: '/dev' })] });
    assert.equal(line(stdout, '/dev/mqueue'), '');
    assert.doesNotMatch(line(stdout, '/dev'), /size=65536k/);
  });

  test('parents are mounted before children whatever their order', () => {
    const [outer, inner] = [host('outer'), host('inner')];
    writeFileSync(join(inner, 'deep'), '');
    const { stdout } = box.run('ls /a/b', {
      mounts: [planned({ type: 'bind', source: inner, destination: '/a/b' }), planned({ type: 'bind', source: outer, destination: '/a' })],
    });
    assert.equal(stdout, 'deep\n');
  });

  test('a volume’s subpath stays inside the volume', () => {
    const source = host('withsub');
    mkdirSync(join(source, 'sub'));
    writeFileSync(join(source, 'sub/here'), '');
    symlinkSync('/etc', join(source, 'evil'));
    const volume = (subpath: string) => planned({ type: 'volume', source, name: 'v', destination: '/v', subpath });
    assert.equal(box.run('ls /v', { mounts: [volume('sub')] }).stdout, 'here\n');
    assert.throws(() => box.run('ls /v', { mounts: [volume('evil')] }), /path concatenation escapes the base directory/);
    assert.throws(() => box.run('ls /v', { mounts: [volume('none')] }), /no such file or directory/);
  });

  test('masked and read-only paths; none of them when privileged or unconfined', () => {
    const script = 'cat /proc/keys /proc/timer_list /proc/kcore 2>/dev/null | head -c 1 | wc -c; ls /sys/firmware | wc -l; echo 1 2>/dev/null > /proc/sys/kernel/domainname || echo readonly';
    assert.equal(box.run(script).stdout, '0\n0\nreadonly\n');
    const open = box.run('head -c 1 /proc/timer_list | wc -c; echo x > /proc/sys/kernel/domainname && echo writable', { hostConfig: { Privileged: true } });
    assert.equal(open.stdout, '1\nwritable\n');
    const unmasked = box.run('mount', { hostConfig: { MaskedPaths: [], ReadonlyPaths: [] } }).stdout;
    assert.equal(line(unmasked, '/proc/sys') + line(unmasked, '/proc/keys'), '');
  });
});
