import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EngineError } from '../../src/base/errors.ts';
import { cgroupPids } from '../../src/host/cgroup.ts';
import { readCgroupStats } from '../../src/host/cgroup-stats.ts';
import { findMonitors, isMonitorOf, killMonitor } from '../../src/host/conmon.ts';
import { processes } from '../../src/host/process.ts';
import type { AttachConnection, MonitoredProcess, MonitorOptions } from '../../src/host/runtime.ts';
import { openLogs } from '../../src/engine/logs/open-logs.ts';
import { LogRotator, rotateLog } from '../../src/engine/logs/rotator.ts';
import { silentLog } from '../../src/base/log.ts';
import { gone, RuntimeRig, until } from './rig.ts';

let rig: RuntimeRig;
before(() => {
  rig = new RuntimeRig();
});
after(() => rig[Symbol.asyncDispose]());

async function collect(connection: AttachConnection): Promise<{ stdout: string; stderr: string }> {
  const out = { stdout: '', stderr: '' };
  for await (const { stream, data } of connection.output) out[stream] += Buffer.from(data).toString('latin1');
  return out;
}

async function refusal(launch: Promise<unknown>): Promise<unknown> {
  return launch.then(
    () => assert.fail('it started'),
    (error: unknown) => {
      assert.ok(error instanceof EngineError);
      return error.details['refusal'];
    },
  );
}

async function logText(options: MonitorOptions): Promise<string> {
  const all = { stdout: true, stderr: true, follow: false, since: undefined, until: undefined, timestamps: false, details: false, tail: undefined };
  const batches = await Array.fromAsync(openLogs({ dir: rig.layout.container(options.id), options: all, running: () => false, signal: AbortSignal.any([]) }));
  return batches.flat().map(({ data }) => Buffer.from(data).toString('latin1')).join('');
}

describe('a container', () => {
  it('runs, gives its output and its exit code, and leaves nothing', async () => {
    const options = rig.bundle({ args: ['sh', '-c', 'echo out; echo err >&2; exit 42'] });
    const { pid, monitorPid } = await rig.launch(options);
    assert.ok(processes.startTime(pid));
    assert.ok(isMonitorOf(monitorPid, options.bundle));
    assert.equal(rig.monitor.readExit(rig.layout.exits, options.id), undefined);
    const connection = await rig.monitor.attach(options.bundle, { input: false });
    await rig.runtime.start(options.id);
    assert.deepEqual(await collect(connection), { stdout: 'out\n', stderr: 'err\n' });
    const status = await rig.exit(options.id);
    assert.deepEqual([status.code, status.oomKilled], [42, false]);
    assert.ok(BigInt(Date.now()) * 1_000_000n - status.at < 10_000_000_000n);
    assert.deepEqual(rig.monitor.readExit(rig.layout.exits, options.id), status);
    assert.equal(await logText(options), 'out\nerr\n');
    await gone(monitorPid);
    await rig.remove(options);
    assert.equal(rig.monitor.readExit(rig.layout.exits, options.id), undefined);
  });

  it('loses no output of 300,000 lines, on the socket and in the log', async () => {
    const options = rig.bundle({ args: ['seq', '1', '300000'] });
    await rig.launch(options);
    const connection = await rig.monitor.attach(options.bundle, { input: false });
    await rig.runtime.start(options.id);
    const expected = Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join('');
    assert.ok((await collect(connection)).stdout === expected);
    await rig.exit(options.id);
    assert.ok((await logText(options)) === expected);
    await rig.remove(options);
  });

  it('reads its stdin to the end, bytes of all kinds, more than any buffer holds', async () => {
    const options = rig.bundle({ args: ['sh', '-c', 'cat; echo end >&2'] }, { stdin: true });
    await rig.launch(options);
    const connection = await rig.monitor.attach(options.bundle);
    await rig.runtime.start(options.id);
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7919) >> 3));
    const written = connection.write(bytes).then(() => connection.endInput());
    const output = await collect(connection);
    await written;
    assert.ok(Buffer.from(output.stdout, 'latin1').equals(bytes));
    assert.equal(output.stderr, 'end\n');
    assert.equal((await rig.exit(options.id)).code, 0);
    await rig.remove(options);
  });

  it('keeps its stdin when a client that only watched goes, and may keep it when the writer goes', async () => {
    const options = rig.bundle({ args: ['cat'] }, { stdin: true, stdinStaysOpen: true });
    await rig.launch(options);
    const watcher = await rig.monitor.attach(options.bundle, { input: false });
    const first = await rig.monitor.attach(options.bundle);
    await rig.runtime.start(options.id);
    await first.write(Buffer.from('one\n'));
    watcher.close();
    await until(() => rig.log(options).includes('one'), 'the first line');
    first.close();
    const second = await rig.monitor.attach(options.bundle);
    await second.write(Buffer.from('two\n'));
    await until(() => rig.log(options).includes('two'), 'the second line');
    second.close();
    assert.ok(await rig.runtime.kill(options.id, 9));
    assert.equal((await rig.exit(options.id)).code, 137);
    await rig.remove(options);
  });

  it('ends its stdin with the writer but not with a watcher', async () => {
    const options = rig.bundle({ args: ['cat'] }, { stdin: true });
    await rig.launch(options);
    const watcher = await rig.monitor.attach(options.bundle, { input: false });
    await rig.runtime.start(options.id);
    watcher.close();
    const writer = await rig.monitor.attach(options.bundle);
    await writer.write(Buffer.from('one\n'));
    await until(() => rig.log(options).includes('one'), 'the line');
    writer.close();
    assert.equal((await rig.exit(options.id)).code, 0);
    await rig.remove(options);
  });

  it('that closed its stdin costs its monitor no processor time, however much is typed; one that reads gets all', async () => {
    const options = rig.bundle({ args: ['sh', '-c', 'exec <&-; echo closed; exec sleep 100'] }, { stdin: true });
    const { monitorPid } = await rig.launch(options);
    const connection = await rig.monitor.attach(options.bundle);
    await rig.runtime.start(options.id);
    await until(() => rig.log(options).includes('closed'), 'the end of stdin');
    const spent = (): number => {
      const fields = readFileSync(`/proc/${monitorPid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
      return Number(fields[11]) + Number(fields[12]);
    };
    await connection.write(Buffer.from('nobody reads this\n'.repeat(10_000)));
    // Spinning it would spend a tick every ten milliseconds.
    await until(async () => {
      const before = spent();
      await new Promise((resolve) => setTimeout(resolve, 300));
      return spent() - before <= 1;
    }, 'a quiet monitor');
    connection.close();
    assert.ok(await rig.runtime.kill(options.id, 9));
    assert.equal((await rig.exit(options.id)).code, 137);
    await rig.remove(options);

    const twin = rig.bundle({ args: ['sh', '-c', 'sleep 0.5; wc -c'] }, { stdin: true });
    await rig.launch(twin);
    const writer = await rig.monitor.attach(twin.bundle);
    await rig.runtime.start(twin.id);
    await writer.write(Buffer.alloc(300_000, 'x'));
    writer.endInput();
    assert.equal((await rig.exit(twin.id)).code, 0);
    assert.match(rig.log(twin), /300000/);
    await rig.remove(twin);
  });

  it('has a terminal that can be resized', async () => {
    const options = rig.bundle({ args: ['sh', '-c', 'read line; until stty size 2>/dev/null | grep " 101"; do sleep 0.01; done; echo "got $line"'], terminal: true }, { stdin: true });
    await rig.launch(options);
    const connection = await rig.monitor.attach(options.bundle);
    const output = collect(connection);
    await rig.runtime.start(options.id);
    await rig.monitor.resize(options.bundle, { height: 33, width: 101 });
    await connection.write(Buffer.from('hello\n'));
    assert.equal((await output).stdout, 'hello\r\n33 101\r\ngot hello\r\n');
    await rig.exit(options.id);
    await rig.remove(options);
  });

  it('can be signalled, paused and resumed', async () => {
    const options = rig.bundle({ args: ['sh', '-c', 'trap "echo term; exit 5" TERM; echo ready; while :; do sleep 0.01; done'] });
    const { pid } = await rig.launch(options);
    assert.deepEqual(cgroupPids(rig.cgroups, rig.cgroupPath(options.id)), [pid]);
    await rig.runtime.start(options.id);
    await until(() => rig.log(options).includes('ready'), 'the trap');
    await rig.runtime.pause(options.id);
    assert.ok(await rig.runtime.kill(options.id, 15));
    assert.ok(!rig.log(options).includes('term'));
    await rig.runtime.resume(options.id);
    assert.equal((await rig.exit(options.id)).code, 5);
    assert.equal(await rig.runtime.kill(options.id, 15), false);
    await rig.remove(options);
  });

  it('is removed while paused with processes of its own', async () => {
    const options = rig.bundle({ args: ['sh', '-c', 'sleep 100 & sleep 100'] });
    const { pid } = await rig.launch(options);
    await rig.runtime.start(options.id);
    await until(() => cgroupPids(rig.cgroups, rig.cgroupPath(options.id)).length > 1, 'the sleepers');
    await rig.runtime.pause(options.id);
    await rig.remove(options);
    await gone(pid);
  });

  it('is removed before it ever started', async () => {
    const options = rig.bundle({ args: ['true'] });
    const { pid } = await rig.launch(options);
    await rig.remove(options);
    await gone(pid);
    await rig.runtime.delete(options.id);
  });

  it('has its memory bounded, and an OOM kill is seen', async () => {
    const options = rig.bundle({ args: ['sh', '-c', 'x=x; while :; do x=$x$x; done'], resources: { memory: { limit: 16 << 20, swap: 16 << 20 } } });
    await rig.launch(options);
    await rig.runtime.start(options.id);
    const status = await rig.exit(options.id);
    assert.deepEqual([status.code, status.oomKilled], [137, true]);
    await rig.remove(options);
  });

  it('has limits that can be changed while it runs', async () => {
    const options = rig.bundle({ args: ['sleep', '100'], resources: { memory: { limit: 64 << 20 }, pids: { limit: 10 } } });
    await rig.launch(options);
    await rig.runtime.start(options.id);
    const path = rig.cgroupPath(options.id);
    assert.equal(readCgroupStats(rig.cgroups, path)?.memory.limit, 64 << 20);
    await rig.runtime.update(options.id, { memory: { limit: 32 << 20 }, pids: { limit: 20 } });
    const stats = readCgroupStats(rig.cgroups, path);
    assert.deepEqual([stats?.memory.limit, stats?.pids.limit, stats?.pids.current], [32 << 20, 20, 1]);
    assert.ok((stats?.cpu.total ?? 0) > 0);
    await rig.remove(options);
  });
});

describe('what cannot run', () => {
  for (const terminal of [false, true]) {
    it(`is refused with Docker's exit codes ${terminal ? 'on a terminal' : 'without one'}`, async () => {
      const prefix = 'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ';
      const cases: [string[], number, string][] = [
        [['nope'], 127, 'exec: "nope": executable file not found in $PATH: unknown'],
        [['/nope'], 127, 'exec: "/nope": stat /nope: no such file or directory: unknown'],
        [['/etc/passwd'], 126, 'exec: "/etc/passwd": permission denied: unknown'],
        [['/etc'], 126, 'exec: "/etc": is a directory: unknown: permission denied'],
      ];
      for (const [args, exitCode, message] of cases) {
        const options = rig.bundle({ args, terminal });
        assert.deepEqual(await refusal(rig.launch(options)), { exitCode, message: prefix + message });
        await rig.remove(options);
      }
    });
  }

  it('a bundle that makes no sense is an error of its own', async () => {
    const options = rig.bundle({ args: ['true'] });
    writeFileSync(join(options.bundle, 'config.json'), '{"ociVersion":"1.0.2","process":{"args":["true"],"cwd":"/"}}');
    await assert.rejects(rig.launch(options), { code: 'internal' });
    await rig.remove(options);
  });

  it('a monitor that is not there is unavailable', async () => {
    const options = rig.bundle({ args: ['true'] });
    await assert.rejects(rig.monitor.attach(options.bundle), { code: 'unavailable' });
    await rig.monitor.resize(options.bundle, { height: 1, width: 1 });
    await rig.remove(options);
  });
});

describe('exec', () => {
  it('runs with its own output, input and exit code', async () => {
    const container = rig.bundle({ args: ['sleep', '100'] });
    await rig.launch(container);
    await rig.runtime.start(container.id);
    const options = rig.exec(container, { args: ['sh', '-c', 'cat; echo err >&2; exit 7'] }, { stdin: true });
    let connection: AttachConnection | undefined;
    await rig.launch(options, async () => {
      connection = await rig.monitor.attach(options.bundle);
    });
    assert.ok(connection);
    await connection.write(Buffer.from('in\n'));
    connection.endInput();
    assert.deepEqual(await collect(connection), { stdout: 'in\n', stderr: 'err\n' });
    assert.equal((await rig.exit(options.id)).code, 7);
    rig.monitor.forgetExit(rig.layout.exits, options.id);
    assert.ok(!existsSync(join(rig.layout.exits, options.id)));

    const quick = rig.exec(container, { args: ['false'] });
    await rig.launch(quick);
    assert.equal((await rig.exit(quick.id)).code, 1);

    const onTerminal = rig.exec(container, { args: ['sh', '-c', 'read x; tty; until stty size 2>/dev/null | grep " 70"; do sleep 0.01; done'], terminal: true }, { stdin: true });
    await rig.launch(onTerminal, async () => {
      connection = await rig.monitor.attach(onTerminal.bundle);
    });
    await rig.monitor.resize(onTerminal.bundle, { height: 20, width: 70 });
    await connection.write(Buffer.from('\n'));
    assert.match((await collect(connection)).stdout, /\/dev\/pts\/\d+\r\n20 70\r\n$/);
    assert.equal((await rig.exit(onTerminal.id)).code, 0);

    const refused = rig.exec(container, { args: ['nope'], terminal: true });
    assert.deepEqual(await refusal(rig.launch(refused)), {
      exitCode: 127,
      message: 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
    });
    await rig.remove(container);
  });
});

describe('an exec for a client that is there', () => {
  it('gives output, takes input, and its exit file is there', async () => {
    const container = rig.bundle({ args: ['sleep', '100'] });
    await rig.launch(container);
    await rig.runtime.start(container.id);
    const direct = (options: Parameters<RuntimeRig['exec']>[1], stdin = false): MonitorOptions => rig.exec(container, options, { stdin });
    const attached = async (request: MonitorOptions): Promise<{ process: MonitoredProcess; connection: AttachConnection }> => {
      const { promise, resolve } = Promise.withResolvers<AttachConnection>();
      const process = await rig.monitor.launch(request, async () => resolve(await rig.monitor.attach(request.bundle)));
      return { process, connection: await promise };
    };
    const echo = direct({ args: ['sh', '-c', 'cat; echo err >&2; exit 7'] }, true);
    const { process, connection } = await attached(echo);
    assert.ok(processes.startTime(process.pid));
    const bytes = Buffer.from(Array.from({ length: 1_000_000 }, (_, index) => (index * 7919) >> 3));
    void connection.write(bytes).then(() => connection.endInput());
    const output = await collect(connection);
    assert.ok(Buffer.from(output.stdout, 'latin1').equals(bytes));
    assert.equal(output.stderr, 'err\n');
    assert.equal((await rig.exit(echo.id)).code, 7);
    rig.monitor.forgetExit(rig.layout.exits, echo.id);

    const quick = direct({ args: ['false'] });
    assert.deepEqual(await collect((await attached(quick)).connection), { stdout: '', stderr: '' });
    assert.equal((await rig.exit(quick.id)).code, 1);

    const killed = direct({ args: ['sleep', '100'] });
    const sleeping = await attached(killed);
    globalThis.process.kill(sleeping.process.pid, 'SIGKILL');
    await collect(sleeping.connection);
    assert.equal((await rig.exit(killed.id)).code, 137);

    // A grandchild that keeps the pipes does not keep the client.
    const forked = direct({ args: ['sh', '-c', 'sleep 100 & echo done'] });
    assert.equal((await collect((await attached(forked)).connection)).stdout, 'done\n');
    assert.equal((await rig.exit(forked.id)).code, 0);

    // A client that leaves does not disturb the process.
    const left = direct({ args: ['sh', '-c', 'yes | head -c 3000000; exit 6'] });
    (await attached(left)).connection.close();
    assert.equal((await rig.exit(left.id)).code, 6);

    const fds = direct({ args: ['ls', '/proc/self/fd'] });
    assert.equal((await collect((await attached(fds)).connection)).stdout, '0\n1\n2\n3\n');

    const refused = direct({ args: ['nope'] });
    assert.deepEqual(await refusal(attached(refused)), {
      exitCode: 127,
      message: 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
    });
    assert.equal(rig.monitor.readExit(rig.layout.exits, refused.id), undefined);

    const slow = direct({ args: ['yes'] });
    const flood = await attached(slow);
    await flood.connection.output[Symbol.asyncIterator]().next();
    globalThis.process.kill(flood.process.pid, 'SIGKILL');
    assert.equal((await rig.exit(slow.id)).code, 137);
    await rig.remove(container);
  });
});

describe('a slow runtime', () => {
  it('leaves the container’s cgroups only when its process is there: the process stays in them', async () => {
    const container = rig.bundle({ args: ['sleep', '100'] });
    const { pid } = await rig.launch(container);
    await rig.runtime.start(container.id);
    // crun by name, so that it is entered as crun; it takes far longer than a runtime is let stay.
    const slow = join(rig.layout.run, 'slow', 'crun');
    mkdirSync(dirname(slow), { recursive: true });
    writeFileSync(slow, '#!/bin/sh\nsleep 0.4\nexec /usr/bin/crun "$@"\n', { mode: 0o755 });
    const options = rig.exec(container, { args: ['sleep', '30'] }, { runtime: slow });
    const { pid: child } = await rig.launch(options, async () => void (await rig.monitor.attach(options.bundle)));
    const groups = (of: number): string => readFileSync(`/proc/${of}/cgroup`, 'utf8').split('\n').toSorted().join('\n');
    const limiting = (text: string): string => text.split('\n').filter((line) => !line.startsWith('0::')).join('\n');
    assert.equal(limiting(groups(child)), limiting(groups(pid)));
    await until(() => groups(child) === groups(pid), 'all cgroups');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(groups(child), groups(pid));
    assert.ok(await rig.runtime.kill(container.id, 9));
    await rig.exit(container.id);
    await rig.remove(container);
  });
});

describe('a log', () => {
  it('is rotated under a container that writes without pause, and no line is lost', async () => {
    const options = rig.bundle({ args: ['seq', '1', '400000'] });
    const dir = rig.layout.container(options.id);
    const entry = { id: options.id, dir, bundle: options.bundle, maxSize: 1_000_000, maxFiles: 100, compress: false };
    await rig.launch(options);
    const all = { stdout: true, stderr: true, follow: true, since: undefined, until: undefined, timestamps: false, details: false, tail: undefined };
    let followed = 0;
    const following = (async () => {
      for await (const batch of openLogs({ dir, options: all, running: () => !rig.exits.has(options.id), signal: AbortSignal.any([]) })) {
        for (const { data } of batch) assert.equal(Number(Buffer.from(data).toString()), ++followed);
      }
    })();
    await rig.runtime.start(options.id);
    for (let count = 0; count < 5 && !rig.exits.has(options.id); count++) await rotateLog(entry, rig.monitor.reopenLog);
    await rig.exit(options.id);
    await following;
    assert.equal(followed, 400_000);
    assert.ok((await logText(options)) === Array.from({ length: 400_000 }, (_, index) => `${index + 1}\n`).join(''));
    await rig.remove(options);
  });

  it('is rotated by size', async () => {
    const options = rig.bundle({ args: ['yes'] });
    const dir = rig.layout.container(options.id);
    await rig.launch(options);
    await rig.runtime.start(options.id);
    {
      using _rotator = new LogRotator({
        logs: () => [{ id: options.id, dir, bundle: options.bundle, maxSize: 100_000, maxFiles: 2, compress: false }],
        reopen: rig.monitor.reopenLog,
        log: silentLog,
      });
      await until(() => existsSync(join(dir, 'log.3')), 'the third rotation');
    }
    assert.ok(!existsSync(join(dir, 'log.1')));
    assert.ok(statSync(join(dir, 'log.3')).size >= 100_000);
    await rig.remove(options);
  });
});

describe('a client that stopped reading', () => {
  it('holds the process back, but not the news of its end', async () => {
    const options = rig.bundle({ args: ['sh', '-c', 'yes; echo never'] });
    await rig.launch(options);
    const connection = await rig.monitor.attach(options.bundle);
    await rig.runtime.start(options.id);
    const output = connection.output[Symbol.asyncIterator]();
    await output.next();
    let size = 0;
    // Until conmon is blocked, its log grows.
    await until(() => {
      const before = size;
      size = statSync(options.log?.path ?? '').size;
      return before === size;
    }, 'the log to stand still');
    assert.ok(await rig.runtime.kill(options.id, 9));
    assert.equal((await rig.exit(options.id)).code, 137);
    connection.close();
    await rig.remove(options);
  });
});

describe('an engine that died', () => {
  it('between starting a monitor and hearing from it leaves what recovery finds and removes', async () => {
    const options = rig.bundle({ args: ['sleep', '100'] });
    writeFileSync(join(options.bundle, 'options.json'), JSON.stringify(options));
    const script = `
      import { readFileSync } from 'node:fs';
      import { createConmon, findMonitors } from ${JSON.stringify(new URL('../../src/host/conmon.ts', import.meta.url).href)};
      import { detectCgroups } from ${JSON.stringify(new URL('../../src/host/cgroup.ts', import.meta.url).href)};
      const options = JSON.parse(readFileSync(process.argv[1], 'utf8'));
      void createConmon({ path: '/usr/bin/conmon', cgroups: detectCgroups(), oomKilled: () => false }).launch(options);
      const die = () => (findMonitors(process.argv[2]).length > 0 ? process.kill(process.pid, 'SIGKILL') : setImmediate(die));
      die();`;
    const killed = spawnSync(process.execPath, ['--input-type=module', '-e', script, join(options.bundle, 'options.json'), rig.layout.run], { encoding: 'utf8' });
    assert.equal(killed.signal, 'SIGKILL', killed.stderr);
    await until(() => findMonitors(rig.layout.run).length === 1, 'the monitor');
    const [found] = findMonitors(rig.layout.run);
    assert.equal(found?.bundle, options.bundle);
    await until(() => existsSync(join(rig.layout.runtimeState, options.id, 'exec.fifo')) && existsSync(join(options.bundle, 'pid')), 'the container');
    // It can be gone on with ...
    await rig.runtime.start(options.id);
    const connection = await rig.monitor.attach(options.bundle);
    connection.close();
    // ... or removed.
    await rig.remove(options);
    await gone(found?.pid ?? 0);
  });
});

describe('a dead monitor', () => {
  it('leaves a container that can be removed, and a wrong pid file harms nobody', async () => {
    const options = rig.bundle({ args: ['sleep', '100'] });
    const { pid, monitorPid } = await rig.launch(options);
    await rig.runtime.start(options.id);
    assert.ok(killMonitor(options.bundle));
    await gone(monitorPid);
    await assert.rejects(rig.monitor.attach(options.bundle), { code: 'unavailable' });
    writeFileSync(join(options.bundle, 'conmon.pid'), String(process.pid));
    assert.ok(!killMonitor(options.bundle));
    await rig.remove(options);
    await gone(pid);
  });

  it('is not what happens when the engine dies: the monitor holds no pipe of ours that matters', async () => {
    const options = rig.bundle({ args: ['sh', '-c', 'echo one; sleep 0.05; echo two; exit 3'] });
    const { monitorPid } = await rig.launch(options);
    assert.match(readFileSync(`/proc/${monitorPid}/stat`, 'latin1'), new RegExp(`^${monitorPid} \\(conmon\\) \\w 1 ${monitorPid} ${monitorPid} `));
    const connection = await rig.monitor.attach(options.bundle);
    await rig.runtime.start(options.id);
    connection.close();
    assert.equal((await rig.exit(options.id)).code, 3);
    assert.equal(await logText(options), 'one\ntwo\n');
    await rig.remove(options);
  });
});
