/** The client's side of Docker's plugin protocol: JSON over HTTP POST to programs that an administrator runs. */
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { systemClock, type Clock } from '#base/clock.ts';
import { EngineError, isErrno, messageOf, notFound } from '#base/errors.ts';
import { findPlugin, listPlugins, type PluginAddress, type PluginFolders } from './plugin-discovery.ts';

/** What a plugin may implement; its answer to `/Plugin.Activate` says which. */
export type PluginCapability = 'VolumeDriver' | 'NetworkDriver' | 'IpamDriver' | 'authz' | 'LogDriver';

/** A plugin that answered to its activation. Holds no connection: it may be restarted between two calls. */
export interface Plugin {
  readonly name: string;
  readonly capabilities: ReadonlySet<string>;
  /**
   * One call, e.g. `NetworkDriver.Join`. Resolves with the answer's object; an answer without a body is `{}`. Rejects with
   * `internal` and the plugin's own words when its `Err` says so or its status is not 200, with `unavailable` when it cannot
   * be reached, does not answer in time, or sends what is no JSON object.
   */
  call(method: string, body?: unknown, options?: CallOptions): Promise<Readonly<Record<string, unknown>>>;
}

export interface CallOptions {
  /** Milliseconds for the whole call, connecting and retries included; default 60 s. */
  timeout?: number;
  /** False tries a refused connection once only. */
  patient?: boolean;
  signal?: AbortSignal;
}

export interface Plugins {
  /**
   * The plugin by this name, activated. not_found `plugin "x" not found` when no folder knows it or it does not implement
   * what is asked. Not_found is told at once: Docker looks again for 15 seconds.
   */
  get(name: string, capability: PluginCapability, options?: { /** False tries a refused connection once only. */ patient?: boolean }): Promise<Plugin>;
  /** Every plugin that answers within so many milliseconds and implements this; one that does not is left out. For listings. */
  list(capability: PluginCapability, patience?: number): Promise<Plugin[]>;
}

interface PluginsOptions {
  folders: PluginFolders;
  clock?: Pick<Clock, 'now' | 'sleep'>;
  /** Milliseconds during which a refused connection is tried again; Docker's pauses: 1, 2, 4, 8 seconds. */
  patience?: number;
}

const MEDIA_TYPE = 'application/vnd.docker.plugins.v1.2+json';
const LARGEST_ANSWER = 4 * 1024 * 1024;
const DEFAULT_TIMEOUT = 60_000;
const ACTIVATION_TIMEOUT = 10_000;
/** Nobody took the request: safe to say again. What broke off later may have been carried out. */
const NOT_CONNECTED = ['ECONNREFUSED', 'ENOENT', 'EAGAIN', 'EHOSTUNREACH', 'ENETUNREACH'] as const;

export function openPlugins({ folders, clock = systemClock, patience = 15_000 }: PluginsOptions): Plugins {
  /** By name; forgotten when the activation fails, so that a plugin that comes up later is found. */
  const active = new Map<string, { where: string; plugin: Promise<Plugin> }>();

  const activate = async (name: string, address: PluginAddress, window: number): Promise<Plugin> => {
    const call = async (method: string, body: unknown, { timeout = DEFAULT_TIMEOUT, signal }: CallOptions, retry: number) => {
      const until = AbortSignal.timeout(timeout);
      const ended = signal === undefined ? until : AbortSignal.any([signal, until]);
      try {
        return await post({ address, method, body, signal: ended, clock, patience: retry });
      } catch (error) {
        if (error instanceof EngineError) throw error;
        const why = until.aborted ? `no answer within ${timeout / 1000} s` : messageOf(error);
        throw new EngineError('unavailable', `plugin ${JSON.stringify(name)}: ${method}: ${why}`, { cause: error });
      }
    };
    const { Implements: given } = await call('Plugin.Activate', undefined, { timeout: ACTIVATION_TIMEOUT + window }, window);
    if (!Array.isArray(given)) throw new EngineError('unavailable', `plugin ${JSON.stringify(name)} does not say what it implements`);
    return { name, capabilities: new Set(given.map(String)), call: (method, body, options = {}) => call(method, body, options, options.patient === false ? 0 : patience) };
  };

  const open = (name: string, window: number): Promise<Plugin> => {
    const address = findPlugin(folders, name);
    if (address === undefined) {
      active.delete(name);
      return Promise.reject(notFound(`plugin ${JSON.stringify(name)} not found`));
    }
    const where = JSON.stringify(address);
    const known = active.get(name);
    if (known?.where === where) return known.plugin;
    const plugin = activate(name, address, window);
    active.set(name, { where, plugin });
    plugin.catch(() => {
      if (active.get(name)?.plugin === plugin) active.delete(name);
    });
    return plugin;
  };

  return {
    async get(name, capability, { patient = true } = {}) {
      const plugin = await open(name, patient ? patience : 0);
      if (!plugin.capabilities.has(capability)) throw notFound(`plugin ${JSON.stringify(name)} found but does not implement ${capability}`);
      return plugin;
    },
    async list(capability, wait = ACTIVATION_TIMEOUT) {
      const found = await Promise.allSettled(listPlugins(folders).map((name) => within(open(name, 0), wait)));
      return found.flatMap((item) => (item.status === 'fulfilled' && item.value.capabilities.has(capability) ? [item.value] : []));
    },
  };
}

async function within<T>(task: Promise<T>, milliseconds: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
  try {
    return await Promise.race([task, promise]);
  } finally {
    clearTimeout(timer);
  }
}

interface Call {
  address: PluginAddress;
  method: string;
  body: unknown;
  signal: AbortSignal;
  clock: Pick<Clock, 'now' | 'sleep'>;
  patience: number;
}

async function post(call: Call): Promise<Readonly<Record<string, unknown>>> {
  const { method, clock, patience, signal } = call;
  const begun = clock.now();
  for (let pause = 1000; ; pause *= 2) {
    try {
      return readAnswer(method, await send(call));
    } catch (error) {
      if (!isErrno(error, ...NOT_CONNECTED) || clock.now() - begun + pause > patience) throw error;
      await clock.sleep(pause, signal);
    }
  }
}

interface Answer {
  status: number;
  text: string;
}

function readAnswer(method: string, { status, text }: Answer): Readonly<Record<string, unknown>> {
  const json = parseObject(text);
  // Docker's helpers send the error as `Err`, with status 500 or, by older ones, 200.
  const said = json?.['Err'] ?? json?.['Error'];
  if (typeof said === 'string' && said !== '') throw new EngineError('internal', `${method}: ${said}`);
  if (status !== 200) throw new EngineError('internal', `${method}: ${text.trim().slice(0, 1000) || `status ${status}`}`);
  if (json === undefined) throw new EngineError('unavailable', `${method}: the plugin's answer is no JSON object: ${JSON.stringify(text.slice(0, 80))}`);
  return json;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  if (text.trim() === '' || text.trim() === 'null') return {};
  try {
    const json: unknown = JSON.parse(firstValue(text));
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Go's decoders read one value and leave what follows on later lines; plugins were written against those. */
function firstValue(text: string): string {
  const [line = ''] = text.trimStart().split('\n', 1);
  return line.startsWith('{') && line.trimEnd().endsWith('}') && isJson(line) ? line : text;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function send({ address, method, body, signal }: Call): Promise<Answer> {
  const payload = body === undefined ? '' : JSON.stringify(body);
  const headers = { Accept: MEDIA_TYPE, 'Content-Type': MEDIA_TYPE, 'Content-Length': Buffer.byteLength(payload) };
  const common = { method: 'POST', path: `/${method}`, headers, signal, agent: false } as const;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request =
    address.kind === 'unix'
      ? httpRequest({ ...common, socketPath: address.path, host: 'plugin' })
      : address.tls === undefined
        ? httpRequest({ ...common, host: address.host, port: address.port })
        : httpsRequest({
            ...common, host: address.host, port: address.port, rejectUnauthorized: !address.tls.insecure,
            ca: read(address.tls.caFile), cert: read(address.tls.certFile), key: read(address.tls.keyFile),
          });
  request.on('error', reject);
  request.on('response', (response) => {
    const parts: Buffer[] = [];
    let size = 0;
    response.on('data', (part: Buffer) => {
      size += part.length;
      if (size > LARGEST_ANSWER) request.destroy(new Error(`the answer is larger than ${LARGEST_ANSWER} bytes`));
      else parts.push(part);
    });
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
    response.on('error', reject);
  });
  request.end(payload);
  return promise;
}

const read = (path: string | undefined): Buffer | undefined => (path === undefined ? undefined : readFileSync(path));
