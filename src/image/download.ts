import { EngineError, invalid, messageOf } from '#base/errors.ts';

/** The bytes behind a URL (`http://` unless it says otherwise), in Docker's words when they cannot be had. */
export async function openUrl(given: string): Promise<{ url: string; chunks: AsyncIterable<Uint8Array> }> {
  const url = URL.parse(given.includes('://') ? given : `http://${given}`);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) throw invalid(`invalid URL ${JSON.stringify(given.slice(0, 200))}: http and https only`);
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new EngineError('internal', `Get ${JSON.stringify(url.href)}: ${reasonOf(url, error)}`, { cause: error });
  }
  if (response.status >= 400) throw new EngineError('internal', `Got HTTP status code >= 400: ${response.status} ${response.statusText}`);
  if (response.body === null) throw new EngineError('internal', `Get ${JSON.stringify(url.href)}: the answer has no body`);
  return { url: url.href, chunks: response.body as unknown as AsyncIterable<Uint8Array> };
}

function reasonOf(url: URL, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
  const code = cause !== undefined && 'code' in cause ? String(cause.code) : '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${url.hostname}: no such host`;
  if (code === 'ECONNREFUSED') return `dial tcp ${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}: connect: connection refused`;
  return messageOf(cause ?? error);
}
