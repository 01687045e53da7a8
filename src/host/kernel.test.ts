import assert from 'node:assert/strict';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isErrno } from '#base/errors.ts';
import { close, flock, lgetxattr, llistxattr, lsetxattr, open, openat2, RESOLVE, O } from './kernel.ts';
import {
  AF, bindUnix, connectUnix, EPOLL, epollControl, epollCreate, epollWait, inetAddress, listen, localPort, bindSocket, MSG, recv, send, SOCK, socket,
} from './kernel-socket.ts';

const folder = mkdtempSync(join(tmpdir(), 'kernel-'));
after(() => rmSync(folder, { recursive: true }));

test('errors look like those of Node', () => {
  assert.throws(
    () => open(join(folder, 'nothing'), 0),
    (error) => isErrno(error, 'ENOENT') && error.syscall === 'open' && error.errno === -2 && error.path === join(folder, 'nothing'),
  );
});

test('openat2 keeps links inside the root', () => {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc', 'hostname'), 'inside');
  symlinkSync('/etc', join(root, 'link'));
  symlinkSync('../../../../etc/hostname', join(root, 'etc', 'up'));
  const dirfd = open(root, O.PATH);
  for (const path of ['link/hostname', 'etc/up', '/etc/hostname']) {
    const fd = openat2(dirfd, path, { flags: 0, resolve: RESOLVE.IN_ROOT });
    assert.equal(readFileSync(fd, 'utf8'), 'inside', path);
    close(fd);
  }
  assert.throws(() => openat2(dirfd, 'link/hostname', { flags: 0, resolve: RESOLVE.BENEATH }), { code: 'EXDEV' });
  close(dirfd);
});

test('extended attributes: set, list, get, absent', (t) => {
  const file = join(folder, 'attributes');
  writeFileSync(file, '');
  try {
    lsetxattr(file, 'user.x', Buffer.from('value'));
  } catch (error) {
    if (!isErrno(error, 'EOPNOTSUPP', 'ENOTSUP')) throw error;
    t.skip('the file system of the temporary folder has no user attributes');
    return;
  }
  assert.deepEqual(llistxattr(file), ['user.x']);
  assert.equal(lgetxattr(file, 'user.x')?.toString(), 'value');
  assert.equal(lgetxattr(file, 'user.y'), undefined);
});

test('flock refuses a second holder and frees with the descriptor', () => {
  const file = join(folder, 'lock');
  const first = openSync(file, 'w');
  const second = openSync(file, 'w');
  assert.equal(flock(first), true);
  assert.equal(flock(second), false);
  closeSync(first);
  assert.equal(flock(second), true);
  closeSync(second);
});

test('a long unix path can be bound and connected, and epoll tells of data', () => {
  const deep = join(folder, 'd'.repeat(100));
  mkdirSync(deep);
  const path = join(deep, 'socket');
  const server = socket(AF.UNIX, SOCK.DGRAM);
  bindUnix(server, path);
  const client = socket(AF.UNIX, SOCK.DGRAM);
  connectUnix(client, path);
  const epoll = epollCreate();
  epollControl(epoll, 'add', server, EPOLL.IN);
  assert.deepEqual(epollWait(epoll, 0), []);
  assert.equal(recv(server, Buffer.alloc(8), MSG.DONTWAIT), -1);
  assert.equal(send(client, Buffer.from('hello')), 5);
  assert.deepEqual(epollWait(epoll, 0), [{ fd: server, events: EPOLL.IN }]);
  const buffer = Buffer.alloc(8);
  assert.equal(recv(server, buffer), 5);
  assert.equal(buffer.toString('utf8', 0, 5), 'hello');
  for (const fd of [server, client, epoll]) close(fd);
});

test('inet addresses of both families', () => {
  for (const [family, host] of [[AF.INET, '127.0.0.1'], [AF.INET6, '::1']] as const) {
    const fd = socket(family, SOCK.STREAM);
    bindSocket(fd, inetAddress(host, 0));
    listen(fd);
    assert.ok(localPort(fd) > 0);
    close(fd);
  }
  assert.equal(inetAddress('fd00::1:2', 80).toString('hex'), '0a00005000000000fd000000000000000000000000010002' + '00000000');
});
