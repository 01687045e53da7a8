import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { compileExec } from '#engine/oci/exec.ts';
import { dockerDefaults } from '#engine/oci/defaults.ts';
import { rootFiles } from '#engine/oci/root-files.ts';
import { capabilityNames } from '#host/capability-names.ts';
import { facts, Sandbox, skip } from './sandbox.ts';

const status = 'cat /proc/self/status';
const field = (text: string, name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';
const mask = (names: readonly string[]): string =>
  names.reduce((sum, name) => sum | (1n << BigInt((capabilityNames as readonly string[]).indexOf(name))), 0n).toString(16).padStart(16, '0');

describe('the process of a container', { skip }, () => {
  const box = new Sandbox();
  after(() => box[Symbol.dispose]());

  test('holds the default capabilities under a filter, and may gain privileges', () => {
    const { stdout } = box.run(status);
    for (const set of ['CapPrm', 'CapEff', 'CapBnd']) assert.equal(field(stdout, set), '00000000a80425fb', set);
    assert.equal(field(stdout, 'CapInh'), '0000000000000000');
    assert.equal(field(stdout, 'CapAmb'), '0000000000000000');
    assert.equal(field(stdout, 'Seccomp'), '2');
    assert.equal(field(stdout, 'NoNewPrivs'), '0');
  });

  test('holds none in effect as another user', () => {
    const { stdout } = box.run(status, { config: { User: 'ann' } });
    assert.equal(field(stdout, 'CapEff'), '0000000000000000');
    assert.equal(field(stdout, 'CapBnd'), '00000000a80425fb');
    assert.equal(field(stdout, 'Uid'), '1000\t1000\t1000\t1000');
    assert.equal(field(stdout, 'Groups').trim(), '44 50 1000');
  });

  test('holds what was added, lacks what was dropped', () => {
    const { stdout } = box.run(status, { hostConfig: { CapDrop: ['all'], CapAdd: ['net_admin', 'CAP_CHOWN'] } });
    assert.equal(field(stdout, 'CapEff'), mask(['CAP_NET_ADMIN', 'CAP_CHOWN']));
  });

  test('privileged: everything the engine holds, no filter', () => {
    const { stdout } = box.run(status, { hostConfig: { Privileged: true } });
    assert.equal(field(stdout, 'CapEff'), mask(facts.capabilities));
    assert.equal(field(stdout, 'Seccomp'), '0');
  });

  test('no-new-privileges', () => {
    assert.equal(field(box.run(status, { hostConfig: { SecurityOpt: ['no-new-privileges'] } }).stdout, 'NoNewPrivs'), '1');
  });

  test('seccomp: unconfined, a profile that forbids mkdir, and its harmless twin', () => {
    assert.equal(field(box.run(status, { hostConfig: { SecurityOpt: ['seccomp=unconfined'] } }).stdout, 'Seccomp'), '0');
    const profile = (names: string[]): string => JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names, action: 'SCMP_ACT_ERRNO', errnoRet: 13 }] });
    const forbidding = box.run('mkdir /tmp/one', { hostConfig: { SecurityOpt: [`seccomp=${profile(['mkdir', 'mkdirat'])}`] } });
    assert.match(forbidding.stderr, /Permission denied/);
    assert.equal(box.run('mkdir /tmp/two', { hostConfig: { SecurityOpt: [`seccomp=${profile(['reboot'])}`] } }).status, 0);
  });

  test('the default filter refuses mount even with the right to make namespaces asked for', () => {
    assert.notEqual(box.run('mount -t tmpfs x /tmp').status, 0);
    assert.equal(box.run('mount -t tmpfs x /tmp', { hostConfig: { CapAdd: ['SYS_ADMIN'] } }).status, 0);
  });

  test('user:group, ids without entries and added groups', () => {
    assert.equal(box.run('id', { config: { User: 'ann:staff' } }).stdout, 'uid=1000(ann) gid=50(staff) groups=50(staff)\n');
    assert.match(box.run('id', { config: { User: '4321:8765' }, hostConfig: { GroupAdd: ['video', '99'] } }).stdout, /^uid=4321 gid=8765 groups=44\(video\),99,8765/);
    assert.throws(() => box.run('id', { config: { User: 'bob' } }), /unable to find user bob: no matching entries in passwd file/);
  });

  test('CVE-2016-3697: a user named by digits in the image does not become root', () => {
    assert.match(box.run('id', { config: { User: '1000000' } }).stdout, /^uid=1000000 gid=0/);
    assert.match(box.run('id', { config: { User: '1000' } }).stdout, /^uid=1000\(ann\) gid=1000\(ann\)/);
  });

  test('environment, home, working directory and host name', () => {
    const { stdout } = box.run('env; pwd; hostname', {
      config: { Env: ['A=1', 'B=2', 'A=3', 'HOSTNAME'], Hostname: 'box', User: 'ann', WorkingDir: '/made/here' },
    });
    assert.match(stdout, /^A=3$/m);
    assert.match(stdout, /^HOME=\/home\/ann$/m);
    assert.match(stdout, /^PATH=\/usr/m);
    assert.match(stdout, /^\/made\/here\nbox$/m);
    assert.doesNotMatch(stdout, /^HOSTNAME=/m);
  });

  test('ulimits, oom score and umask of Docker', () => {
    const { stdout } = box.run('ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj; umask', {
      hostConfig: { Ulimits: [{ Name: 'nofile', Soft: 64, Hard: 128 }, { Name: 'core', Soft: -1, Hard: -1 }], OomScoreAdj: 321 },
    });
    assert.equal(stdout, '64\n128\nunlimited\n321\n0022\n');
  });

  test('an init runs as process 1 and hands on the exit code', { skip: facts.initBinary === undefined && 'needs tini or catatonit' }, () => {
    const { stdout, status: code } = box.run('echo $$; head -c 20 /proc/1/cmdline; exit 7', { hostConfig: { Init: true } });
    assert.match(stdout, /^[2-9]\n\/sbin\/docker-init/);
    assert.equal(code, 7);
  });

  test('exec: own user, environment and folder under the container’s filter; privileged on demand', () => {
    const wishes = { config: { Env: ['FROM=container'], Hostname: 'box' } };
    const { id, bundle } = box.start(wishes);
    const container = { ...box.decide({ ...wishes, config: { ...wishes.config, Cmd: ['x'] } }), facts, defaults: dockerDefaults, files: rootFiles(box.rootfs) };
    const shell = (script: string): string[] => ['sh', '-c', script];
    const plain = box.exec(id, bundle, compileExec(container, { Cmd: shell(`env; id; pwd; ${status}`), User: 'ann', Env: ['MORE=1'], WorkingDir: '/tmp' }));
    assert.equal(plain.stderr, '');
    assert.match(plain.stdout, /^FROM=container$/m);
    assert.match(plain.stdout, /^MORE=1$/m);
    assert.match(plain.stdout, /^HOME=\/home\/ann$/m);
    assert.match(plain.stdout, /^uid=1000\(ann\) .*\n\/tmp$/m);
    assert.equal(field(plain.stdout, 'CapEff'), '0000000000000000');
    assert.equal(field(plain.stdout, 'Seccomp'), '2');
    const privileged = box.exec(id, bundle, compileExec(container, { Cmd: shell(status), Privileged: true }));
    assert.equal(field(privileged.stdout, 'CapEff'), mask(facts.capabilities));
  });
});
