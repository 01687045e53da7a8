import { EngineError } from '#base/errors.ts';
import type { IncomingHttpHeaders } from 'node:http';

const local = /^(localhost|.+\.localhost|\[[0-9a-f:.]+\]|\d+\.\d+\.\d+\.\d+)(:\d+)?$/i;

/**
 * A page in a browser must not drive the engine: neither from another site, nor through a name that its owner points at this
 * machine (DNS rebinding). Only listeners that a browser can reach are guarded; programs send none of what is looked for.
 * Throws forbidden.
 */
export function refuseBrowsers(headers: IncomingHttpHeaders, allowedOrigins: ReadonlySet<string>): void {
  const { origin, host = '' } = headers;
  if (origin !== undefined) {
    if (allowedOrigins.has(origin)) return;
    // A name could lead here today and elsewhere tomorrow; an address cannot.
    const same = local.test(host) && URL.parse(origin)?.host === host.toLowerCase();
    if (!same) throw new EngineError('forbidden', `requests from web pages are refused: the origin ${origin.slice(0, 100)} is not allowed`);
    return;
  }
  const site = headers['sec-fetch-site'];
  if (site === 'cross-site' || site === 'same-site') {
    throw new EngineError('forbidden', 'requests from web pages of other sites are refused');
  }
  if (headers['user-agent']?.startsWith('Mozilla/') && !local.test(host)) {
    throw new EngineError('forbidden', `a browser may reach this engine by address only, not as ${host.slice(0, 100)}`);
  }
}
