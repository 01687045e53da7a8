/** Sockets and epoll for what Node's net cannot do: SEQPACKET, raw netlink, listening descriptors to hand on. */
import { bind, check, errnoError, lastErrno } from './libc.ts';
import { withShortPath } from './kernel.ts';

export const AF = { UNIX: 1, INET: 2, INET6: 10, NETLINK: 16 } as const;
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, SEQPACKET: 5, NONBLOCK: 0x800, CLOEXEC: 0x80000 } as const;
export const MSG = { PEEK: 2, DONTWAIT: 0x40, NOSIGNAL: 0x4000, TRUNC: 0x20 } as const;
export const EPOLL = { IN: 1, OUT: 4, ERR: 8, HUP: 16, RDHUP: 0x2000, ET: 0x80000000 } as const;
const [EAGAIN, EINTR, EINPROGRESS] = [11, 4, 115];

const c = {
  socket: bind('int socket(int domain, int type, int protocol)'),
  connect: bind('int connect(int fd, const void *address, unsigned int length)'),
  bind: bind('int bind(int fd, const void *address, unsigned int length)'),
  listen: bind('int listen(int fd, int backlog)'),
  getsockname: bind('int getsockname(int fd, void *address, _Inout_ unsigned int *length)'),
  setsockopt: bind('int setsockopt(int fd, int level, int name, const void *value, unsigned int length)'),
  recv: bind('long recv(int fd, void *buffer, size_t length, int flags)'),
  send: bind('long send(int fd, const void *buffer, size_t length, int flags)'),
  epollCreate: bind('int epoll_create1(int flags)'),
  epollControl: bind('int epoll_ctl(int epoll, int operation, int fd, void *event)'),
  epollWait: bind('int epoll_wait(int epoll, void *events, int count, int timeout)'),
};

/** A close-on-exec descriptor; close it with kernel.close. */
export function socket(domain: number, type: number, protocol = 0): number {
  return check(c.socket(domain, type | SOCK.CLOEXEC, protocol), 'socket');
}

export function unixAddress(path: string): Buffer {
  const name = Buffer.from(path);
  if (name.length > 107) throw errnoError(36, 'connect', path);
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF.UNIX, 0);
  name.copy(address, 2);
  return address.subarray(0, 2 + name.length + 1);
}

/** sockaddr_in or sockaddr_in6 of a numeric address ('0.0.0.0', '::1'). */
export function inetAddress(host: string, port: number): Buffer {
  if (!host.includes(':')) {
    const address = Buffer.alloc(16);
    address.writeUInt16LE(AF.INET, 0);
    address.writeUInt16BE(port, 2);
    host.split('.').forEach((part, index) => address.writeUInt8(Number(part), 4 + index));
    return address;
  }
  const address = Buffer.alloc(28);
  address.writeUInt16LE(AF.INET6, 0);
  address.writeUInt16BE(port, 2);
  const [head = '', tail] = host.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  left.forEach((part, index) => address.writeUInt16BE(parseInt(part, 16), 8 + 2 * index));
  right.forEach((part, index) => address.writeUInt16BE(parseInt(part, 16), 24 - 2 * (right.length - index)));
  return address;
}

/** Connects to a unix socket of any path length. */
export function connectUnix(fd: number, path: string): void {
  withShortPath(path, (short) => {
    const address = unixAddress(short);
    check(c.connect(fd, address, address.length), 'connect', path);
  });
}

/** Connects to a sockaddr. A stream socket that does not block goes on connecting: it is writable when it is done. */
export function connectSocket(fd: number, address: Uint8Array): void {
  if (Number(c.connect(fd, address, address.length)) === 0) return;
  if (lastErrno() !== EINPROGRESS) throw errnoError(lastErrno(), 'connect');
}

export function bindSocket(fd: number, address: Uint8Array): void {
  check(c.bind(fd, address, address.length), 'bind');
}

/** Binds a unix socket at a path of any length; the folder must exist, the name must not (EADDRINUSE). */
export function bindUnix(fd: number, path: string): void {
  withShortPath(path, (short) => {
    const address = unixAddress(short);
    check(c.bind(fd, address, address.length), 'bind', path);
  });
}

export function listen(fd: number, backlog = 511): void {
  check(c.listen(fd, backlog), 'listen');
}

/** The port that an INET or INET6 socket is bound to. */
export function localPort(fd: number): number {
  const address = Buffer.alloc(28);
  const length = [address.length];
  check(c.getsockname(fd, address, length), 'getsockname');
  return address.readUInt16BE(2);
}

export function setSocketOption(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  check(c.setsockopt(fd, level, name, bytes, 4), 'setsockopt');
}

/** Bytes read, 0 at the end, -1 when nothing is there (EAGAIN). Blocks unless the socket or `flags` say otherwise. */
export function recv(fd: number, buffer: Uint8Array, flags = 0): number {
  for (;;) {
    const length = Number(c.recv(fd, buffer, buffer.length, flags));
    if (length >= 0) return length;
    const errno = lastErrno();
    if (errno === EAGAIN) return -1;
    if (errno !== EINTR) throw errnoError(errno, 'recv');
  }
}

/** Bytes sent, -1 when the peer's buffer is full and the socket does not block. Never raises SIGPIPE (EPIPE instead). */
export function send(fd: number, data: Uint8Array, flags = 0): number {
  for (;;) {
    const length = Number(c.send(fd, data, data.length, flags | MSG.NOSIGNAL));
    if (length >= 0) return length;
    const errno = lastErrno();
    if (errno === EAGAIN) return -1;
    if (errno !== EINTR) throw errnoError(errno, 'send');
  }
}

export function epollCreate(): number {
  return check(c.epollCreate(SOCK.CLOEXEC), 'epoll_create1');
}

/** `change` as epoll_ctl's operations; `events` is a union of EPOLL bits. */
export function epollControl(epoll: number, change: 'add' | 'modify' | 'delete', fd: number, events = 0): void {
  const operation = { add: 1, delete: 2, modify: 3 }[change];
  const packed = process.arch === 'x64';
  const event = Buffer.alloc(packed ? 12 : 16);
  event.writeUInt32LE(events >>> 0, 0);
  event.writeInt32LE(fd, packed ? 4 : 8);
  check(c.epollControl(epoll, operation, fd, event), 'epoll_ctl');
}

/** Waits up to `timeout` ms (-1: for ever; only in a worker). EINTR counts as nothing ready. */
export function epollWait(epoll: number, timeout: number, most = 64): { fd: number; events: number }[] {
  const size = process.arch === 'x64' ? 12 : 16;
  const buffer = Buffer.alloc(size * most);
  const count = Number(c.epollWait(epoll, buffer, most, timeout));
  if (count < 0) {
    if (lastErrno() === EINTR) return [];
    throw errnoError(lastErrno(), 'epoll_wait');
  }
  return Array.from({ length: count }, (_, index) => ({
    events: buffer.readUInt32LE(index * size),
    fd: buffer.readInt32LE(index * size + size - 8),
  }));
}
