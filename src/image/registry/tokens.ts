import { createHash } from 'node:crypto';
import { EngineError, wrap } from '#base/errors.ts';
import type { RegistryCredentials } from '#spec/wire/registry.ts';
import { requireReachable, type Resolve } from './addresses.ts';
import type { Challenge } from './challenge.ts';
import { refusal, registryError } from './fault.ts';
import { readBody, type Wire } from './wire.ts';

/** User and password of credentials in whatever form they came. */
export function basicPair(credentials: RegistryCredentials | undefined): { username: string; password: string } | undefined {
  if (credentials === undefined) return undefined;
  if (credentials.username) return { username: credentials.username, password: credentials.password ?? '' };
  if (!credentials.auth) return undefined;
  const text = Buffer.from(credentials.auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon <= 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}

export interface TokenRequest {
  /** The registry that asked for a token. */
  registry: URL;
  verify: boolean;
  challenge: Challenge;
  scopes: readonly string[];
  credentials: RegistryCredentials | undefined;
  /** Ask for a refresh token too, as a login does. */
  offline?: boolean;
  signal: AbortSignal;
}

export interface Token {
  token: string;
  refresh: string | undefined;
}

/** Bearer tokens by realm, service, scope and user, until shortly before they expire. */
export interface TokenSource {
  get(request: TokenRequest): Promise<Token>;
  /** The token was refused: the next one is asked for anew. */
  forget(token: string): void;
}

const MAX_ANSWER = 1 << 20;
const CLIENT = 'gantry';

export function createTokenSource(wire: Wire, options: { resolve?: Resolve; now?: () => number } = {}): TokenSource {
  const now = options.now ?? Date.now;
  const cache = new Map<string, { token: Token; until: number }>();
  const asking = new Map<string, Promise<{ token: Token; until: number }>>();

  const fetchToken = async (request: TokenRequest): Promise<{ token: Token; until: number }> => {
    const { challenge, credentials, registry, scopes, verify, signal, offline = false } = request;
    const realm = URL.parse(challenge.parameters['realm'] ?? '');
    if (realm === null) throw registryError('internal', `registry ${registry.host} asks for a token but names no server that gives one`, {});
    const addresses = await requireReachable(registry, realm, 'token server', options.resolve).catch((error: unknown) => {
      throw error instanceof EngineError ? error : wrap(error, `the token server of registry ${registry.host} was not found`);
    });
    const service = challenge.parameters['service'];
    // The certificates of a host that need not be right here need not be right there either.
    const common = { verify: verify || realm.hostname !== registry.hostname, addresses, signal };
    const pair = basicPair(credentials);
    const refresh = credentials?.identitytoken || undefined;
    const byForm = async (form: Record<string, string>): Promise<Buffer> => {
      const body = new URLSearchParams({ client_id: CLIENT, ...(service === undefined ? {} : { service }), ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }), ...form });
      const response = await wire.send({
        ...common,
        method: 'POST',
        url: realm,
        headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
        body: Buffer.from(body.toString()),
      });
      const answer = await readBody(response, MAX_ANSWER);
      if (response.status !== 200) throw refusal(response.status, answer, realm, response.headers['retry-after']);
      return answer;
    };
    const byQuery = async (): Promise<Buffer> => {
      const url = new URL(realm);
      if (service !== undefined) url.searchParams.set('service', service);
      for (const scope of scopes) url.searchParams.append('scope', scope);
      if (pair !== undefined) url.searchParams.set('account', pair.username);
      if (offline) for (const [key, value] of [['offline_token', 'true'], ['client_id', CLIENT]] as const) url.searchParams.set(key, value);
      const authorization = pair === undefined ? {} : { authorization: `Basic ${Buffer.from(`${pair.username}:${pair.password}`).toString('base64')}` };
      const response = await wire.send({ ...common, method: 'GET', url, headers: { accept: 'application/json', ...authorization } });
      const answer = await readBody(response, MAX_ANSWER);
      if (response.status === 200) return answer;
      // Servers that know only OAuth 2.
      if (pair !== undefined && [404, 405].includes(response.status)) {
        return byForm({ grant_type: 'password', username: pair.username, password: pair.password, ...(offline ? { access_type: 'offline' } : {}) });
      }
      throw refusal(response.status, answer, realm, response.headers['retry-after']);
    };
    const answer = refresh === undefined ? await byQuery() : await byForm({ grant_type: 'refresh_token', refresh_token: refresh });
    return readToken(answer, realm, now());
  };

  return {
    async get(request) {
      const direct = request.credentials?.registrytoken;
      if (direct) return { token: direct, refresh: undefined };
      const key = keyOf(request);
      const known = request.offline === true ? undefined : cache.get(key);
      if (known !== undefined && known.until > now()) return known.token;
      const running = asking.get(key) ?? fetchToken(request).finally(() => asking.delete(key));
      asking.set(key, running);
      let found;
      try {
        found = await running;
      } catch (error) {
        // Whoever asked first may have given up; that is not our failure.
        if (request.signal.aborted || !(error instanceof Error && error.name === 'AbortError')) throw error;
        found = await fetchToken(request);
      }
      if (cache.size > 1000) cache.clear();
      cache.set(key, found);
      return found.token;
    },
    forget(token) {
      for (const [key, { token: known }] of cache) if (known.token === token) cache.delete(key);
    },
  };
}

function keyOf({ challenge, scopes, credentials, registry }: TokenRequest): string {
  const who = createHash('sha256').update(JSON.stringify([basicPair(credentials), credentials?.identitytoken])).digest('hex');
  return JSON.stringify([registry.host, challenge.parameters['realm'], challenge.parameters['service'], [...scopes].sort(), who]);
}

function readToken(answer: Buffer, realm: URL, now: number): { token: Token; until: number } {
  let parsed: Record<string, unknown> | null = null;
  try {
    parsed = JSON.parse(answer.toString('utf8')) as Record<string, unknown> | null;
  } catch {
    // Said below.
  }
  const token = [parsed?.['token'], parsed?.['access_token']].find((value) => typeof value === 'string' && value !== '');
  // What goes into a header must fit there.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw registryError('internal', `the token server ${realm.host} answered without a token`, {});
  const lifetime = typeof parsed?.['expires_in'] === 'number' && parsed['expires_in'] >= 60 ? parsed['expires_in'] : 60;
  const refresh = parsed?.['refresh_token'];
  return { token: { token, refresh: typeof refresh === 'string' ? refresh : undefined }, until: now + (lifetime - Math.min(30, lifetime / 4)) * 1000 };
}
