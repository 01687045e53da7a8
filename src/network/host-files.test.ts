import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderExtraHosts, renderHosts, renderResolvConf } from './host-files.ts';

const none = { dns: [], dnsSearch: [], dnsOptions: [] };
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

test('hosts: the base, what was added, then the container itself', () => {
  const text = renderHosts({ hostname: 'web', domainname: 'example.org', extraHosts: ['db:10.0.0.9', 'up=host-gateway', 'six:[fd00::1]'] }, ['172.17.0.2', '172.18.0.2'], '172.17.0.1');
  assert.deepEqual(lines(text).slice(6), ['10.0.0.9\tdb', '172.17.0.1\tup', 'fd00::1\tsix', '172.17.0.2\tweb.example.org web', '172.18.0.2\tweb.example.org web']);
});

test('hosts: malformed additions are refused', () => {
  for (const entry of ['x', ':1.2.3.4', 'x:y', 'x:1.2.3']) assert.throws(() => renderExtraHosts([entry], '10.0.0.1'), /bad format for add-host/, entry);
  assert.throws(() => renderExtraHosts(['x:host-gateway'], undefined), /host-gateway/);
});

test('resolv.conf: name servers that a container cannot reach are replaced', () => {
  const options = { reachable: true, upstream: undefined };
  assert.deepEqual(lines(renderResolvConf('nameserver 127.0.0.53\nnameserver 10.0.0.1\nnameserver fe80::1\nsearch a b\noptions edns0\n', none, options)), [
    'nameserver 10.0.0.1', 'search a b', 'options edns0',
  ]);
  assert.deepEqual(lines(renderResolvConf('nameserver 127.0.0.53\n', none, { reachable: true, upstream: 'nameserver 192.168.1.1\n' })), ['nameserver 192.168.1.1']);
  assert.deepEqual(lines(renderResolvConf('nameserver ::1\n', none, options)), ['nameserver 8.8.8.8', 'nameserver 8.8.4.4']);
  assert.deepEqual(lines(renderResolvConf('nameserver 127.0.0.53 # local\n', none, { reachable: false, upstream: undefined })), ['nameserver 127.0.0.53']);
});

test('resolv.conf: what the container asks for replaces the host\'s', () => {
  const asked = { dns: ['127.0.0.1'], dnsSearch: ['.'], dnsOptions: ['ndots:2'] };
  assert.deepEqual(lines(renderResolvConf('nameserver 10.0.0.1\nsearch a\noptions edns0\n', asked, { reachable: true, upstream: undefined })), [
    'nameserver 127.0.0.1', 'options ndots:2',
  ]);
});
