import { Socket } from 'node:net';
import { AF, SOCK } from './kernel-socket.ts';
import { close } from './kernel.ts';
import { bind, check } from './libc.ts';

const c = {
  socketpair: bind('int socketpair(int domain, int type, int protocol, _Out_ int *fds)'),
  dup3: bind('int dup3(int from, int to, int flags)'),
};

/**
 * A socket of any kind on Node's own event loop: a read is one packet. Node opens stream sockets only, yet reads and writes
 * any descriptor alike: the handle is made for a stream socket whose descriptor is then replaced. `fd` must not block; it is
 * closed in any case.
 */
export function descriptorStream(fd: number): Socket {
  try {
    const pair: number[] = [-1, -1];
    check(c.socketpair(AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC | SOCK.NONBLOCK, 0, pair), 'socketpair');
    const [placeholder = -1, other = -1] = pair;
    close(other);
    const stream = new Socket({ fd: placeholder, readable: true, writable: true, allowHalfOpen: true });
    check(c.dup3(fd, placeholder, SOCK.CLOEXEC), 'dup3');
    return stream;
  } finally {
    close(fd);
  }
}
