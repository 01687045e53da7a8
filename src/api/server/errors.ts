import { codeOf, EngineError, type ErrorCode, messageOf } from '#base/errors.ts';

/** The one place where errors become HTTP statuses. */
const statusByCode = {
  invalid_argument: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  not_modified: 304,
  not_implemented: 501,
  unavailable: 503,
  gone: 410,
  internal: 500,
} satisfies Record<ErrorCode, number>;

export interface Refusal {
  status: number;
  message: string;
}

/** What a client is told of any thrown value; `details.status` of an EngineError overrides the code's status. */
export function refusalOf(error: unknown): Refusal {
  const status = error instanceof EngineError ? error.details['status'] : undefined;
  return {
    status: typeof status === 'number' ? status : statusByCode[codeOf(error)],
    message: sentence(error),
  };
}

/** A full disk in words that say what to do; anything else as it is. */
function sentence(error: unknown): string {
  const message = messageOf(error);
  return /^(?:ENOSPC|EDQUOT)\b/.test(message)
    ? `no space left on device: free some space where the engine keeps its data, then try again (${message})`
    : message;
}

/** The line that ends a progress stream which failed. */
export function errorLine(error: unknown): string {
  const message = sentence(error);
  return `${JSON.stringify({ errorDetail: { message }, error: message })}\r\n`;
}
