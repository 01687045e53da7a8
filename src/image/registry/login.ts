import { EngineError, codeOf, invalid, messageOf } from '#base/errors.ts';
import type { AuthenticateResponse, RegistryCredentials, RegistrySearchResult } from '#spec/wire/registry.ts';
import { parseChallenges } from './challenge.ts';
import { HUB, type Endpoint } from './endpoints.ts';
import { faultOf, refusal } from './fault.ts';
import { basicPair, type TokenSource } from './tokens.ts';
import { readBody, type Wire, type WireResponse } from './wire.ts';

const MAX_ANSWER = 4 << 20;

/** `https://index.docker.io/v1/`, `host:5000`, `https://host/v2/`: the domain as image names have it. */
export function domainOf(server: string): string {
  const host = server.trim().replace(/^https?:\/\//i, '').replace(/\/.*$/, '');
  if (host === '' || host === 'docker.io' || host === 'index.docker.io' || host === 'registry-1.docker.io') return HUB;
  return host;
}

/**
 * Whether the registry takes these credentials; where it gives tokens, also one to come back with instead of the password.
 * unauthorized when it does not.
 */
export async function authenticate(wire: Wire, tokens: TokenSource, endpoints: readonly Endpoint[], credentials: RegistryCredentials, signal: AbortSignal): Promise<AuthenticateResponse> {
  let last: unknown;
  for (const endpoint of endpoints) {
    const url = new URL('/v2/', endpoint.base);
    try {
      return await tryLogin(wire, tokens, endpoint, url, credentials, signal);
    } catch (error) {
      last = error;
      // A registry that answered has spoken.
      if (faultOf(error)?.status !== undefined || faultOf(error) === undefined) break;
    }
  }
  if (codeOf(last) !== 'unauthorized') throw last;
  throw new EngineError('unauthorized', messageOf(last), { cause: last });
}

async function tryLogin(wire: Wire, tokens: TokenSource, endpoint: Endpoint, url: URL, credentials: RegistryCredentials, signal: AbortSignal): Promise<AuthenticateResponse> {
  const ask = (authorization?: string): Promise<WireResponse> =>
    wire.send({ method: 'GET', url, verify: endpoint.verify, signal, ...(authorization === undefined ? {} : { headers: { authorization } }) });
  const first = await ask();
  const body = await readBody(first, MAX_ANSWER);
  if (first.status === 200) return succeeded('');
  if (first.status !== 401) throw refusal(first.status, body, url, first.headers['retry-after']);
  const challenges = parseChallenges(first.headers['www-authenticate'] ?? '');
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  const failed = (error: unknown): EngineError =>
    new EngineError(codeOf(error), `Get ${JSON.stringify(url.href)}: ${messageOf(error)}`, { cause: error, ...(error instanceof EngineError ? { details: error.details } : {}) });
  let identity = '';
  let authorization: string;
  if (bearer !== undefined) {
    const request = { registry: endpoint.base, verify: endpoint.verify, challenge: bearer, scopes: [], credentials, offline: true, signal };
    const { token, refresh } = await tokens.get(request).catch((error: unknown) => {
      throw failed(error);
    });
    identity = refresh ?? '';
    authorization = `Bearer ${token}`;
  } else {
    const pair = basicPair(credentials);
    if (pair === undefined) throw new EngineError('unauthorized', `Get ${JSON.stringify(url.href)}: no basic auth credentials`);
    authorization = `Basic ${Buffer.from(`${pair.username}:${pair.password}`).toString('base64')}`;
  }
  const second = await ask(authorization);
  const answer = await readBody(second, MAX_ANSWER);
  if (second.status === 200) return succeeded(identity);
  if (second.status === 401 && bearer === undefined) {
    throw new EngineError('unauthorized', `login attempt to ${url.href} failed with status: 401 Unauthorized`);
  }
  throw failed(refusal(second.status, answer, url, second.headers['retry-after']));
}

const succeeded = (identity: string): AuthenticateResponse => ({ IdentityToken: identity, Status: 'Login Succeeded' });

export interface SearchOptions {
  term: string;
  limit: number;
  credentials: RegistryCredentials | undefined;
}

/** By the old v1 search, which is what registries that can be searched still offer. */
export async function search(wire: Wire, endpoint: Endpoint, term: string, { limit, credentials }: SearchOptions, signal: AbortSignal): Promise<RegistrySearchResult[]> {
  const url = new URL('/v1/search', endpoint.base);
  url.searchParams.set('q', term);
  url.searchParams.set('n', String(limit));
  const pair = basicPair(credentials);
  const headers: Record<string, string> = { 'x-docker-token': 'true', ...(pair === undefined ? {} : { authorization: `Basic ${Buffer.from(`${pair.username}:${pair.password}`).toString('base64')}` }) };
  const response = await wire.send({ method: 'GET', url, headers, verify: endpoint.verify, redirects: 5, signal });
  const body = await readBody(response, MAX_ANSWER);
  if (response.status !== 200) throw new EngineError('internal', `Unexpected status code ${response.status}`);
  let results: unknown;
  try {
    ({ results } = JSON.parse(body.toString('utf8')) as { results?: unknown });
  } catch (error) {
    throw new EngineError('internal', `registry ${url.host} answered a search with something that is not JSON`, { cause: error });
  }
  if (!Array.isArray(results)) return [];
  return (results as Partial<RegistrySearchResult>[]).slice(0, limit).map((item) => ({
    star_count: typeof item.star_count === 'number' ? item.star_count : 0,
    is_official: item.is_official === true,
    name: String(item.name ?? ''),
    is_automated: item.is_automated === true,
    description: String(item.description ?? ''),
  }));
}

/** Docker's rule: a first part with a dot, a colon or `localhost` is a registry. */
export function splitSearchTerm(term: string): { domain: string; rest: string } {
  if (/:\/\//.test(term)) throw invalid(`invalid repository name: repository name (${term}) should not have a scheme`);
  const slash = term.indexOf('/');
  const head = slash < 0 ? '' : term.slice(0, slash);
  return /[.:]/.test(head) || head === 'localhost' ? { domain: domainOf(head), rest: term.slice(slash + 1) } : { domain: HUB, rest: term };
}
