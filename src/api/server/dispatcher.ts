import type { IncomingMessage } from 'node:http';
import { EngineError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { ApiRequest } from './api-request.ts';
import { refusalOf } from './errors.ts';
import type { Reply } from './reply.ts';
import type { RouteMatch, Router } from './router.ts';
import { parseTarget, type Target } from './target.ts';
import { refusalReply } from './write-reply.ts';

export interface Dispatcher {
  /** True when the request's route may take its connection over. */
  hijacks(message: IncomingMessage): boolean;
  /** Runs the request's route; every failure has become a reply. */
  run(message: IncomingMessage, onGone: (callback: () => void) => void): Promise<Reply>;
  /** Logs what went wrong with a request: errors of the engine loudly, refusals when debugging. */
  report(error: unknown, message: IncomingMessage): void;
}

/** `admit` throws for requests that must not be served. */
export function createDispatcher(options: { router: Router; log: Log; admit: (message: IncomingMessage) => void }): Dispatcher {
  const { router, log, admit } = options;

  const find = (message: IncomingMessage): { match: RouteMatch; target: Target } | { refusal: Reply } => {
    try {
      admit(message);
      const target = parseTarget(message.url ?? '/');
      const match = router.find(message.method ?? 'GET', target.path);
      if (match) return { match, target };
      if (message.method === 'OPTIONS') return { refusal: { kind: 'empty', status: 200 } };
      throw new EngineError('not_found', 'page not found');
    } catch (error) {
      return { refusal: refusalReply(refusalOf(error)) };
    }
  };

  const report = (error: unknown, message: IncomingMessage): void => {
    const { status } = refusalOf(error);
    const fields = { method: message.method, path: message.url?.split('?')[0], status, error };
    if (status === 500) log.error('a request failed', fields);
    else log.debug('a request was refused', fields);
  };

  return {
    report,
    hijacks: (message) => {
      const found = find(message);
      return 'match' in found && found.match.route.hijacks === true;
    },
    run: async (message, onGone) => {
      const found = find(message);
      if ('refusal' in found) return found.refusal;
      const { match, target } = found;
      try {
        const request = new ApiRequest({ message, version: target.version, params: match.params, query: target.query, onGone });
        return await match.route.handle(request);
      } catch (error) {
        // A client that broke off made its own failure.
        if (!message.destroyed || message.complete) report(error, message);
        return refusalReply(refusalOf(error));
      }
    },
  };
}
