/** What a container may do to its resolver without harm to itself or others. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createDockerCli, type DockerCli } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';
import { digIn } from './dig.ts';
import { Upstream } from './upstream.ts';

const image = 'names/busybox:1';
const skip = process.getuid?.() !== 0 ? 'needs root: makes network namespaces' : !existsSync('/usr/bin/dig') ? 'needs dig (bind9-dnsutils)' : false;
let engine: TestEngine;
let docker: DockerCli;
let upstream: Upstream;
let good: string;
let bad: string;
let resolver: string;

const resolverPid = (): string => readFileSync(join(engine.run, 'resolver.pid'), 'utf8');

before(async () => {
  if (skip !== false) return;
  upstream = await Upstream.start('127.0.0.79');
  engine = await startEngine({ resolvConf: `nameserver ${upstream.address}\n` });
  docker = createDockerCli(engine.url);
  await importBusybox(docker, image);
  await docker.ok(['network', 'create', 'shared']);
  for (const name of ['good', 'bad']) await docker.ok(['run', '-d', '--name', name, '--network', 'shared', image, 'sleep', '1000']);
  [good, bad] = [await docker.format('good', '{{.State.Pid}}'), await docker.format('bad', '{{.State.Pid}}')];
  resolver = resolverPid();
});

after(async () => {
  if (skip !== false) return;
  await engine.stop();
  await upstream[Symbol.asyncDispose]();
});

/** Runs a script of Node in the bad container's network; `begun` is when it said so. */
function misbehave(script: string): { begun: Promise<void>; done: Promise<string> } {
  const child = spawn('nsenter', ['-t', bad, '-n', process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  const begun = Promise.withResolvers<void>();
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
    begun.resolve();
  });
  return { begun: begun.promise, done: new Promise((resolve, reject) => child.on('error', reject).on('close', () => resolve(output.trim()))) };
}

async function assertServed(): Promise<void> {
  for (const pid of [good, bad]) assert.equal((await digIn(pid, 'good')).records.length, 1);
  assert.equal((await digIn(good, 'good', '+tcp')).records.length, 1);
  assert.equal(resolverPid(), resolver, 'it is the same process still');
}

test('thousands of garbage packets and giant ones', { skip }, async () => {
  const { done } = misbehave(`
    const socket = require('node:dgram').createSocket('udp4');
    const head = Buffer.from('123401000001000000000001', 'hex');
    let left = 5000;
    const next = () => {
      for (let burst = 0; burst < 50 && left > 0; burst++, left--) {
        const junk = require('node:crypto').randomBytes(left % 100 === 0 ? 60000 : left % 600);
        socket.send(left % 2 ? junk : Buffer.concat([head, junk]), 53, '127.0.0.11');
      }
      if (left > 0) setImmediate(next); else { console.log('sent'); socket.close(); }
    };
    next();`);
  assert.equal(await done, 'sent');
  await assertServed();
});

test('broken, giant and endless streams', { skip }, async () => {
  const { done } = misbehave(`
    const { connect } = require('node:net');
    const frames = [
      Buffer.from([0xff]), Buffer.from([0xff, 0xff]), Buffer.concat([Buffer.from([0xff, 0xff]), Buffer.alloc(65535, 0x41)]),
      Buffer.concat(Array(500).fill(Buffer.from([0, 5, 1, 2, 3, 4, 5]))), Buffer.from([0, 0]), Buffer.alloc(300000),
    ];
    Promise.all(frames.map((frame) => new Promise((resolve) => {
      const socket = connect(53, '127.0.0.11', () => socket.end(frame));
      socket.resume();
      socket.on('error', () => {}).on('close', resolve);
    }))).then(() => console.log('closed'));`);
  assert.equal(await done, 'closed');
  await assertServed();
});

test('a flood from one container leaves others served', { skip }, async () => {
  const { begun, done } = misbehave(`
    const socket = require('node:dgram').createSocket('udp4');
    const query = Buffer.concat([Buffer.from('123401000001000000000000', 'hex'), Buffer.from('\\x04good\\x00\\x00\\x01\\x00\\x01', 'latin1')]);
    const end = Date.now() + 2500;
    console.log('begun');
    const next = () => {
      for (let burst = 0; burst < 500; burst++) socket.send(query, 53, '127.0.0.11');
      if (Date.now() < end) setTimeout(next, 1); else process.exit();
    };
    next();`);
  await begun;
  let over = false;
  void done.then(() => (over = true));
  let asked = 0;
  for (; !over; asked++) {
    const { records, text } = await digIn(good, 'bad', '+time=2');
    assert.equal(records.length, 1, text);
  }
  assert.ok(asked > 3, `${asked} questions beside the flood`);
  await assertServed();
});

test('thousands of questions that nobody outside answers leave others their share', { skip }, async () => {
  const { begun, done } = misbehave(`
    const socket = require('node:dgram').createSocket('udp4');
    let refused = 0;
    socket.on('message', (answer) => { if ((answer[3] & 15) === 5) refused++; });
    let id = 0;
    const next = () => {
      for (let burst = 0; burst < 50; burst++, id++) {
        const name = 'slow' + String(id).padStart(6, '0');
        socket.send(Buffer.concat([Buffer.from([id >> 8, id & 255]), Buffer.from('01000001000000000000', 'hex'), Buffer.from('\\x0a' + name + '\\x04test\\x00\\x00\\x01\\x00\\x01', 'latin1')]), 53, '127.0.0.11');
      }
      if (id < 2000) setTimeout(next, 2); else console.log('begun');
    };
    next();
    setTimeout(() => { console.log(refused); process.exit(); }, 1500);`);
  await begun;
  assert.deepEqual((await digIn(good, 'example.test')).records, ['192.0.2.1']);
  const refused = (await done).split('\n')[1] ?? '';
  assert.ok(Number(refused) > 500, `what is too much is refused at once: ${refused}`);
  await assertServed();
});

test('streams that are held open do not keep others from asking', { skip }, async () => {
  const { begun, done } = misbehave(`
    const { connect } = require('node:net');
    let closed = 0;
    for (let count = 0; count < 500; count++) connect(53, '127.0.0.11').resume().on('error', () => {}).on('close', () => closed++);
    setTimeout(() => console.log('begun'), 300);
    setTimeout(() => { console.log(closed); process.exit(); }, 1500);`);
  await begun;
  assert.equal((await digIn(good, 'good', '+tcp')).records.length, 1);
  assert.equal((await digIn(bad, 'good')).records.length, 1);
  assert.ok(Number((await done).split('\n')[1]) > 300, 'beyond its share it is let go');
});

test('nothing but names can be reached there', { skip }, async () => {
  const listening = await docker.ok(['exec', 'bad', 'netstat', '-ltnu']);
  const sockets = listening.stdout.split('\n').filter((line) => /^(?:tcp|udp)/.test(line));
  assert.equal(sockets.length, 2);
  for (const line of sockets) assert.match(line, / 127\.0\.0\.11:6\d{4} /);
});
