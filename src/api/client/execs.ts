import type { ExecCreateRequest, ExecInspectResponse, ExecStartRequest, IDResponse } from '#spec/wire/container.ts';
import { type ClientSession, createSession } from './session.ts';
import { fetchJson, perform, type Transport } from './transport.ts';

export interface ExecsClient {
  create(container: string, body: ExecCreateRequest): Promise<IDResponse>;
  inspect(id: string): Promise<ExecInspectResponse>;
  /** `tty` must be what the exec was created with. */
  start(id: string, options: { tty: boolean; consoleSize?: [height: number, width: number]; signal?: AbortSignal | undefined }): Promise<ClientSession>;
  /** Resolves when the process runs. */
  startDetached(id: string, options?: { tty?: boolean }): Promise<void>;
  resize(id: string, size: { height: number; width: number }): Promise<void>;
}

export function createExecsClient(transport: Transport): ExecsClient {
  const at = (id: string, rest: string): string => `/exec/${encodeURIComponent(id)}${rest}`;
  return {
    create: (container, body) =>
      fetchJson(transport, { method: 'POST', path: `/containers/${encodeURIComponent(container)}/exec`, json: body }),
    inspect: (id) => fetchJson(transport, { method: 'GET', path: at(id, '/json') }),
    start: async (id, { tty, consoleSize, signal }) => {
      const json: ExecStartRequest = { Detach: false, Tty: tty, ConsoleSize: consoleSize };
      return createSession(await transport.hijack({ method: 'POST', path: at(id, '/start'), json, signal }), tty);
    },
    startDetached: (id, options = {}) =>
      perform(transport, { method: 'POST', path: at(id, '/start'), json: { Detach: true, Tty: options.tty ?? false } }),
    resize: (id, size) => perform(transport, { method: 'POST', path: at(id, '/resize'), query: { h: size.height, w: size.width } }),
  };
}
