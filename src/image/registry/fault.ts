/** What goes wrong between us and a registry, in the words that Docker's clients know. */
import { EngineError, messageOf, type ErrorCode } from '#base/errors.ts';

/** Facts beside the sentence, in the error's details under `registry`. */
export interface RegistryFault {
  /** The HTTP status; undefined when there was no answer. */
  status: number | undefined;
  /** The registry's own code, e.g. MANIFEST_UNKNOWN; '' when it gave none. */
  code: string;
  /** Trying again may help. */
  transient: boolean;
  /** Milliseconds that the registry asks us to wait. */
  retryAfter: number | undefined;
}

export function faultOf(error: unknown): RegistryFault | undefined {
  return error instanceof EngineError ? (error.details['registry'] as RegistryFault | undefined) : undefined;
}

export function registryError(code: ErrorCode, message: string, fault: Partial<RegistryFault>, cause?: unknown): EngineError {
  const details = { registry: { status: undefined, code: '', transient: false, retryAfter: undefined, ...fault } satisfies RegistryFault };
  return new EngineError(code, message, cause === undefined ? { details } : { details, cause });
}

/** The connection stood still for longer than it may. */
export class Stalled extends Error {
  override readonly name = 'Stalled';
}

const untrusted = ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'UNABLE_TO_GET_ISSUER_CERT'];
const tlsTrouble = [...untrusted, 'CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'];

/** Why no HTTP answer came, as Go's net package says it, because scripts look for these words. */
function connectionTrouble(error: unknown, url: URL): string {
  const { code = '', address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  const place = address === undefined ? url.host : `${address.includes(':') ? `[${address}]` : address}:${port}`;
  if (error instanceof Stalled) return `net/http: ${error.message}`;
  if (code === 'ENOTFOUND' || code === 'EAI_NODATA') return `dial tcp: lookup ${url.hostname}: no such host`;
  if (code === 'EAI_AGAIN') return `dial tcp: lookup ${url.hostname}: Temporary failure in name resolution`;
  if (code === 'ECONNREFUSED') return `dial tcp ${place}: connect: connection refused`;
  if (code === 'EHOSTUNREACH') return `dial tcp ${place}: connect: no route to host`;
  if (code === 'ENETUNREACH') return `dial tcp ${place}: connect: network is unreachable`;
  if (code === 'ETIMEDOUT') return `dial tcp ${place}: i/o timeout`;
  if (code === 'ECONNRESET' || code === 'EPIPE') return /socket hang up/.test(messageOf(error)) ? 'EOF' : 'read: connection reset by peer';
  if (code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return /wrong version number|packet length too long/i.test(messageOf(error)) ? 'http: server gave HTTP response to HTTPS client' : `tls: ${messageOf(error)}`;
  }
  if (untrusted.includes(code)) return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `tls: failed to verify certificate: x509: certificate is not valid for ${url.hostname}`;
  return messageOf(error);
}

/** No answer came: which request, and why. */
export function noAnswer(error: unknown, method: string, url: URL): EngineError {
  if (error instanceof EngineError) return error;
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const lasting = ['ENOTFOUND', 'ECONNREFUSED', 'EPROTO', 'EHOSTUNREACH', 'ENETUNREACH', ...tlsTrouble].includes(code) || !isConnectionTrouble(error);
  return registryError('internal', `${verb} ${JSON.stringify(shown(url))}: ${connectionTrouble(error, url)}`, { transient: !lasting }, error);
}

function isConnectionTrouble(error: unknown): boolean {
  return error instanceof Stalled || (error instanceof Error && 'code' in error);
}

/** Without what may be a secret: user, password, query. */
export function shown(url: URL): string {
  // Docker asks a registry for its version first, and that is where it fails: scripts look for these words.
  const path = /^\/v2\/(?:.+\/)?(?:manifests|tags|blobs\/uploads)\//.test(url.pathname) ? '/v2/' : url.pathname;
  return `${url.protocol}//${url.host}${path}`;
}

const codes: Readonly<Record<number, ErrorCode>> = { 400: 'invalid_argument', 401: 'unauthorized', 403: 'forbidden', 404: 'not_found', 429: 'unavailable', 501: 'not_implemented', 503: 'unavailable' };

/** What a refusal says, from its body: `code: message`, as Docker renders the registry's first error. */
export function refusal(status: number, body: Buffer, url: URL, retryAfter: string | undefined): EngineError {
  const first = firstError(body);
  const text = body.toString('utf8', 0, 300);
  const message =
    first !== undefined
      ? `${words(first.code)}: ${first.message === '' ? words(first.code) : first.message}`
      : status === 401
        ? 'unauthorized: authentication required'
        : status === 429
          ? `toomanyrequests: ${text.trim() || 'too many requests'}`
          : text.trim() === ''
            ? `registry ${url.host}: unexpected HTTP status ${status} for ${url.pathname}`
            : `registry ${url.host}: error parsing HTTP ${status} response body: ${JSON.stringify(text)}`;
  return registryError(codes[status] ?? 'internal', message, {
    status,
    code: first?.code ?? (status === 401 ? 'UNAUTHORIZED' : ''),
    transient: [429, 500, 502, 503, 504].includes(status),
    retryAfter: parseRetryAfter(retryAfter, Date.now()),
  });
}

const words = (code: string): string => code.toLowerCase().replaceAll('_', ' ');

function firstError(body: Buffer): { code: string; message: string } | undefined {
  try {
    const parsed = JSON.parse(body.toString('utf8')) as { errors?: { code?: unknown; message?: unknown }[]; details?: unknown } | null;
    const first = parsed?.errors?.[0];
    if (typeof first?.code !== 'string' || !/^[A-Za-z_ ]{1,80}$/.test(first.code)) return undefined;
    return { code: first.code.toUpperCase().replaceAll(' ', '_'), message: typeof first.message === 'string' ? first.message.slice(0, 1000) : '' };
  } catch {
    return undefined;
  }
}

/** Seconds or a date; at most five minutes. */
export function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const milliseconds = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(milliseconds) ? undefined : Math.min(Math.max(0, milliseconds), 300_000);
}
