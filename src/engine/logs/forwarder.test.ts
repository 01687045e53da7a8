import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '#base/log.ts';
import { LogForwarder, type ForwardedLog } from './forwarder.ts';
import { expandTag, journalEntry, parseFacility, parseSyslogAddress, syslogMessage } from './system-log.ts';

const container = { id: 'a'.repeat(64), name: 'web', image: 'busybox', imageId: `sha256:${'b'.repeat(64)}`, tag: 'web', attributes: { 'my-label': 'x' } };
const line = { stream: 'stderr', time: '2024-01-02T03:04:05.123456789Z', text: Buffer.from('oh\nno') } as const;

describe('the system’s logs', () => {
  it('journald gets fields and any bytes', () => {
    const entry = journalEntry(container, line).toString('latin1');
    assert.match(entry, /^PRIORITY=3\nCONTAINER_ID=aaaaaaaaaaaa\nCONTAINER_ID_FULL=a{64}\nCONTAINER_NAME=web\n/);
    assert.match(entry, /\nMY_LABEL=x\n/);
    assert.ok(entry.endsWith('MESSAGE\n\x05\0\0\0\0\0\0\0oh\nno\n'));
  });

  it('syslog gets each of its formats', () => {
    const render = (format: Parameters<typeof syslogMessage>[2]['format']): string =>
      syslogMessage(container, line, { format, facility: parseFacility(''), origin: { host: 'h', pid: 7 } }).toString();
    assert.equal(render(''), '<27>Jan  2 03:04:05 web[7]: oh\nno\n');
    assert.equal(render('rfc3164'), '<27>Jan  2 03:04:05 h web[7]: oh\nno\n');
    assert.equal(render('rfc5424'), '<27>1 2024-01-02T03:04:05Z h web 7 web - oh\nno\n');
    assert.equal(render('rfc5424micro'), '<27>1 2024-01-02T03:04:05.123456Z h web 7 web - oh\nno\n');
  });

  it('addresses, facilities and tags are read as Docker reads them', () => {
    assert.deepEqual(parseSyslogAddress('udp://[::1]:1514'), { kind: 'udp', host: '::1', port: 1514 });
    assert.deepEqual(parseSyslogAddress('tcp://h'), { kind: 'tcp', host: 'h', port: 514 });
    assert.deepEqual(parseSyslogAddress(''), { kind: 'unix', path: '/dev/log' });
    assert.throws(() => parseSyslogAddress('http://h'), /unsupported scheme: http/);
    assert.equal(parseFacility('local3'), 19);
    assert.throws(() => parseFacility('nope'), /invalid syslog facility/);
    assert.equal(expandTag('{{.Name}}/{{ .ID }}/{{.ImageName}}', container), 'web/aaaaaaaaaaaa/busybox');
    assert.equal(expandTag('', container), 'aaaaaaaaaaaa');
  });

  it('every line is sent once, also after the container ended and after a restart', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'gantry-forward-'));
    const receiver = createSocket('udp4').bind(0, '127.0.0.1');
    await once(receiver, 'listening');
    const { port } = receiver.address() as AddressInfo;
    const got: string[] = [];
    receiver.on('message', (message) => got.push(message.toString()));
    const entry: ForwardedLog = { id: 'x', dir, running: false, driver: 'syslog', options: { 'syslog-address': `udp://127.0.0.1:${port}` }, container };
    const record = (n: number): string => `2024-01-01T00:00:0${n}.000000000+00:00 stdout F line ${n}\n`;
    const sendAll = async (count: number): Promise<void> => {
      using _forwarder = new LogForwarder({ logs: () => [entry], log: silentLog, interval: 5 });
      while (got.length < count || !readSent().startsWith(`2024-01-01T00:00:0${count}`)) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const readSent = (): string => {
      try {
        return readFileSync(join(dir, 'sent'), 'latin1');
      } catch {
        return '';
      }
    };
    writeFileSync(join(dir, 'log'), record(1) + record(2));
    await sendAll(2);
    writeFileSync(join(dir, 'log'), record(3), { flag: 'a' });
    await sendAll(3);
    receiver.close();
    rmSync(dir, { recursive: true });
    assert.deepEqual(got.map((message) => message.replace(/^.*: /, '')), ['line 1\n', 'line 2\n', 'line 3\n']);
  });
});
