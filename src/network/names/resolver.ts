import { existsSync, rmSync } from 'node:fs';
import { codeOf, isErrno, messageOf } from '#base/errors.ts';
import { accept, DatagramBatch } from '#host/datagram-batch.ts';
import { close } from '#host/kernel.ts';
import { AF, bindUnix, EPOLL, listen, recv, send, SOCK, socket } from '#host/kernel-socket.ts';
import { Poller } from '#host/poller.ts';
import { trimMemory } from '#host/trim-memory.ts';
import { NamespaceVisitor } from '#host/visit-namespace.ts';
import { Desk } from './desk.ts';
import { Forwarder } from './forwarder.ts';
import { watchHostServers } from './host-servers.ts';
import { SheetFolder, type NameSheet } from './name-sheet.ts';
import { NameTable } from './name-table.ts';
import { MAKING_ROOM, resolverSocket, type ResolverOrder } from './resolver-order.ts';

const [BATCH, ROOM] = [32, 4096];
const MOST_ORDER = 64 * 1024;
/** Milliseconds between two looks whether the run folder is still there; what a burst of questions needed is given back then. */
const LOOK = 30_000;

/** The resolver of one engine: keeps a desk in every sandbox that has a sheet, and takes orders from engines. */
export class Resolver {
  readonly #poller = new Poller();
  readonly #visitor = new NamespaceVisitor();
  readonly #batch = new DatagramBatch(BATCH, ROOM);
  readonly #table = new NameTable();
  readonly #forwarder = new Forwarder(this.#poller);
  readonly #hostServers = watchHostServers();
  readonly #desks = new Map<string, Desk>();
  readonly #sheets: SheetFolder;
  readonly #log: (line: string) => void;
  readonly #build: string;

  constructor(run: string, build: string, log: (line: string) => void) {
    this.#build = build;
    this.#sheets = new SheetFolder(run);
    this.#log = log;
    this.#readAll();
    this.#listen(resolverSocket(run));
    const look = (): void => {
      trimMemory();
      if (existsSync(run)) this.#poller.after(LOOK, look);
      else this.#poller.stop();
    };
    look();
  }

  /** Serves until an engine says that nobody needs names any more. */
  run(): void {
    this.#poller.run();
  }

  #listen(path: string): void {
    rmSync(path, { force: true });
    const fd = socket(AF.UNIX, SOCK.STREAM | SOCK.NONBLOCK);
    bindUnix(fd, path);
    listen(fd, 16);
    this.#poller.add(fd, () => {
      const connection = accept(fd);
      if (connection !== undefined) this.#serveEngine(connection);
    });
  }

  #serveEngine(fd: number): void {
    let received = '';
    const piece = Buffer.alloc(16384);
    const end = (): void => {
      this.#poller.delete(fd);
      close(fd);
    };
    this.#poller.add(
      fd,
      () => {
        try {
          const length = recv(fd, piece);
          if (length === -1) return;
          received += piece.toString('latin1', 0, length);
          if (length === 0 || received.length > MOST_ORDER) {
            end();
            return;
          }
          const lines = received.split('\n');
          received = lines.pop() ?? '';
          for (const line of lines) {
            const order = JSON.parse(line) as ResolverOrder;
            const isOther = order.build !== undefined && order.build !== this.#build;
            this.#obey(isOther ? { ...order, end: true } : order);
            send(fd, Buffer.from(`${isOther ? MAKING_ROOM : order.number}\n`));
          }
        } catch (error) {
          this.#log(`an engine was not understood: ${messageOf(error)}`);
          end();
        }
      },
      EPOLL.IN | EPOLL.RDHUP,
    );
  }

  #obey(order: ResolverOrder): void {
    if (order.all === true) this.#readAll();
    if (order.sheet !== undefined) this.#read(order.sheet.id, !order.sheet.fresh);
    if (order.end === true) this.#poller.stop();
  }

  #readAll(): void {
    const ids = new Set(this.#sheets.ids());
    for (const id of this.#desks.keys()) if (!ids.has(id)) this.#forget(id);
    for (const id of ids) this.#read(id, true);
  }

  #read(id: string, used: boolean): void {
    let sheet: NameSheet | undefined;
    try {
      sheet = this.#sheets.read(id);
      if (sheet === undefined || !existsSync(sheet.netnsPath)) {
        this.#forget(id);
        return;
      }
      this.#table.put(sheet);
      if (!this.#desks.has(id)) this.#desks.set(id, this.#open(sheet, used));
    } catch (error) {
      this.#table.drop(id);
      // EINVAL: a file from which the namespace was taken already.
      if (!isErrno(error, 'EINVAL', 'ENOENT')) this.#log(`sandbox ${id} has no names: ${codeOf(error)} ${messageOf(error)}`);
    }
  }

  #open({ id, netnsPath }: NameSheet, used: boolean): Desk {
    return new Desk({ id, netnsPath, used, poller: this.#poller, visitor: this.#visitor, batch: this.#batch, table: this.#table, forwarder: this.#forwarder, hostServers: this.#hostServers });
  }

  #forget(id: string): void {
    this.#table.drop(id);
    this.#desks.get(id)?.[Symbol.dispose]();
    this.#desks.delete(id);
  }
}
