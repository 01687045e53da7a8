/** Images and containers that try to reach the host, each beside a harmless twin that must go on working. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { validateExecFolder } from '#engine/oci/exec.ts';
import { planned, Sandbox, skip } from './sandbox.ts';

describe('hostile images and requests', { skip }, () => {
  let box: Sandbox;
  beforeEach(() => void (box = new Sandbox()));
  afterEach(() => box[Symbol.dispose]());
  const root = (path: string): string => join(box.rootfs, path);

  test('CVE-2024-21626: no working directory inside a process’s folder of /proc, by name or by link', () => {
    for (const path of ['/proc/self/fd/7', '/proc/self/fd/7/', '/proc/self/cwd/..//cwd', '/proc/thread-self/root', '/proc/1/root', '/tmp/../proc/self/fd/8']) {
      assert.throws(() => box.run('pwd', { config: { WorkingDir: path } }), /inside a process's folder/, path);
      assert.throws(() => validateExecFolder(path), /inside a process's folder/, path);
    }
    symlinkSync('/proc/self/fd/7', root('innocent'));
    assert.throws(() => box.run('pwd', { config: { WorkingDir: '/innocent' } }), /inside a process's folder|not a directory/);
    symlinkSync('/proc/self', root('half'));
    assert.throws(() => box.run('pwd', { config: { WorkingDir: '/half/fd/7' } }), /inside a process's folder|not a directory/);
    mkdirSync(root('real'));
    symlinkSync('/real', root('fine'));
    assert.equal(box.run('pwd', { config: { WorkingDir: '/fine' } }).stdout.trim(), '/real');
    assert.equal(box.run('pwd', { config: { WorkingDir: '/proc' } }).stdout.trim(), '/proc');
    assert.equal(box.run('pwd', { config: { WorkingDir: '/new/and/deep' } }).stdout.trim(), '/new/and/deep');
  });

  test('CVE-2024-21626: a link in a volume, which no check sees, leads nowhere either', () => {
    const volume = join(box.folder, 'volume');
    mkdirSync(join(volume, 'fine'), { recursive: true });
    const mounts = [planned({ type: 'bind', source: volume, destination: '/vol' })];
    const running = box.start({ mounts });
    const process = (cwd: string) => ({ args: ['sh', '-c', 'pwd'], env: ['PATH=/bin'], cwd, user: { uid: 0, gid: 0 } });
    for (let descriptor = 3; descriptor < 10; descriptor++) {
      rmSync(join(volume, 'evil'), { force: true });
      symlinkSync(`/proc/self/fd/${descriptor}`, join(volume, 'evil'));
      for (const { status, stdout } of [box.run('pwd', { config: { WorkingDir: '/vol/evil' }, mounts }), box.exec(running.id, running.bundle, process('/vol/evil'))]) {
        assert.notEqual(status, 0);
        assert.equal(stdout, '');
      }
    }
    assert.equal(box.exec(running.id, running.bundle, process('/vol/fine')).stdout, '/vol/fine\n');
  });

  test('a working directory is never made outside the root', () => {
    const outside = join(box.folder, 'outside');
    symlinkSync(outside, root('out'));
    symlinkSync('../../../..', root('up'));
    assert.throws(() => box.run('pwd', { config: { WorkingDir: '/out' } }), /not a directory/);
    box.run('pwd', { config: { WorkingDir: `/up${outside}/x` } });
    assert.equal(existsSync(outside), false);
  });

  test('CVE-2019-5736: the runtime cannot be opened for writing from inside', () => {
    const before = readFileSync('/usr/bin/crun').subarray(0, 4096);
    symlinkSync('/proc/self/exe', root('bin/again'));
    box.run(undefined, { config: { Cmd: ['/bin/again'] } });
    const { stdout } = box.run('for p in /proc/[0-9]*/exe; do echo x 2>/dev/null >> $p && echo WROTE; done; true');
    assert.doesNotMatch(stdout, /WROTE/);
    assert.deepEqual(readFileSync('/usr/bin/crun').subarray(0, 4096), before);
    symlinkSync('/bin', root('twin'));
    assert.equal(box.run(undefined, { config: { Cmd: ['/twin/echo', 'fine'] } }).stdout, 'fine\n');
  });

  test('CVE-2026-41579: a /dev that is a link does not lead the device nodes out', () => {
    const outside = join(box.folder, 'outside');
    mkdirSync(outside);
    rmSync(root('dev'), { recursive: true });
    symlinkSync(`../../../../../../..${outside}`, root('dev'));
    box.run('true');
    assert.equal(existsSync(join(outside, 'null')), false);
    rmSync(root('dev'));
    assert.equal(box.run('ls /dev/null').stdout, '/dev/null\n');
  });

  test('CVE-2025-31133: what covers masked paths is the host’s null device, not something of the image', () => {
    const dev = join(box.folder, 'dev');
    mkdirSync(dev);
    const script = '(head -c 7 /proc/timer_list; (echo core > /proc/sys/kernel/core_pattern) 2>/tmp/why || echo refused) > /tmp/out';
    const mounts = [planned({ type: 'bind', source: dev, destination: '/dev' })];
    const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    for (const target of ['/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger']) {
      rmSync(join(dev, 'null'), { force: true });
      rmSync(root('tmp/out'), { force: true });
      symlinkSync(target, join(dev, 'null'));
      box.run(script, { mounts });
      if (existsSync(root('tmp/out'))) assert.equal(readFileSync(root('tmp/out'), 'utf8'), 'refused\n');
    }
    assert.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), pattern);
    rmSync(root('tmp/out'), { force: true });
    box.run(script);
    assert.equal(readFileSync(root('tmp/out'), 'utf8'), 'refused\n');
  });

  test('nothing may be mounted inside /proc, directly or through a link; what lxcfs does still works', () => {
    const source = join(box.folder, 'fake');
    mkdirSync(source);
    writeFileSync(join(source, 'meminfo'), 'MemTotal: 1 kB\n');
    const into = (destination: string, from = source) => ({ mounts: [planned({ type: 'bind', source: from, destination })] });
    symlinkSync('/proc', root('p'));
    symlinkSync('p/sys', root('q'));
    for (const destination of ['/proc/self/attr', '/proc/sys/kernel', '/p/sys', '/q/kernel']) {
      assert.throws(() => box.run('true', into(destination)), /cannot be mounted because it is inside \/proc/, destination);
    }
    for (const destination of ['/proc', '/p']) assert.throws(() => box.run('true', into(destination)), /cannot be mounted because it is not of type proc/);
    assert.equal(box.run('ls -d /proc/self/ns', { ...into('/proc', '/proc'), namespaces: { pid: { kind: 'host' } } }).stdout, '/proc/self/ns\n');
    assert.equal(box.run('cat /proc/meminfo', into('/proc/meminfo', join(source, 'meminfo'))).stdout, 'MemTotal: 1 kB\n');
    assert.equal(box.run('ls /procs', into('/procs')).stdout, 'meminfo\n');
  });

  test('CVE-2021-30465: a mount target exchanged for a link in a shared volume stays inside the root', () => {
    const volume = join(box.folder, 'volume');
    const victim = join(box.folder, 'victim');
    const payload = join(box.folder, 'payload');
    for (const path of [volume, victim, payload]) mkdirSync(path);
    writeFileSync(join(payload, 'mark'), '');
    symlinkSync(`../../../../../../../..${victim}`, join(volume, 'inner'));
    const mounts = [planned({ type: 'bind', source: volume, destination: '/vol' }), planned({ type: 'bind', source: payload, destination: '/vol/inner' })];
    box.run('true', { mounts });
    assert.equal(existsSync(join(victim, 'mark')), false);
    rmSync(join(volume, 'inner'));
    mkdirSync(join(volume, 'inner'));
    assert.equal(box.run('ls /vol/inner', { mounts }).stdout, 'mark\n');
  });

  test('CVE-2024-45310: a mount through a link makes no files on the host', () => {
    const outside = join(box.folder, 'outside');
    mkdirSync(outside);
    symlinkSync(`../../../../../../..${outside}`, root('link'));
    const source = join(box.folder, 'one');
    writeFileSync(source, 'x');
    box.run('true', { mounts: [planned({ type: 'bind', source, destination: '/link/file' }), planned({ type: 'tmpfs', destination: '/link/folder' })] });
    assert.equal(existsSync(join(outside, 'file')), false);
    assert.equal(existsSync(join(outside, 'folder')), false);
    assert.equal(box.run('cat /file', { mounts: [planned({ type: 'bind', source, destination: '/file' })] }).stdout, 'x');
  });

  test('CVE-2026-47262: a giant user database is refused, one that hangs or leads out is not read', () => {
    box.file('/etc/group', `root:x:0:\n${'x'.repeat(5 << 20)}\n`);
    assert.throws(() => box.run('id', { config: { User: 'ann' } }), /larger than 4 MiB/);
    rmSync(root('etc/group'));
    const secret = join(box.folder, 'passwd');
    writeFileSync(secret, 'spy:x:0:0::/:/bin/sh\n');
    renameSync(root('etc/passwd'), root('etc/real'));
    symlinkSync(`../../../../../../..${secret}`, root('etc/passwd'));
    assert.throws(() => box.run('id', { config: { User: 'spy' } }), /unable to find user spy/);
    rmSync(root('etc/passwd'));
    symlinkSync('/etc/real', root('etc/passwd'));
    assert.match(box.run('cat /proc/self/status', { config: { User: 'ann' } }).stdout, /^Uid:\t1000/m);
  });

  test('CVE-2026-53488: labels of an image reach no runtime', () => {
    const image = { Labels: { 'run.oci.hooks.stdout': join(box.folder, 'hook'), 'org.example': 'x' } };
    assert.equal(box.compile({ image, config: { Cmd: ['true'] } }).annotations, undefined);
    assert.equal(existsSync(join(box.folder, 'hook')), false);
    assert.deepEqual(box.compile({ config: { Cmd: ['true'] }, hostConfig: { Annotations: { 'org.example': 'x' } } }).annotations, { 'org.example': 'x' });
    assert.throws(() => box.compile({ config: { Cmd: ['true'] }, hostConfig: { Annotations: { 'run.oci.seccomp_bpf_data': 'AAAA' } } }), /reserved for the engine/);
  });
});
