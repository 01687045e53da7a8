/** Every way an operation can fail, independent of HTTP and exit codes. */
export type ErrorCode =
  | 'invalid_argument'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'not_modified'
  | 'not_implemented'
  | 'unavailable'
  | 'gone'
  | 'internal';

export interface EngineErrorOptions {
  cause?: unknown;
  /** Machine-readable facts for callers that decide on more than the code, e.g. `{ exitCode: 127 }`. */
  details?: Readonly<Record<string, unknown>>;
}

/** The one error type that crosses rooms. `message` is one sentence for a person: what failed, why, what to do. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Shorthands, so that a throw reads as one line. */
export const invalid = (message: string, options?: EngineErrorOptions): EngineError =>
  new EngineError('invalid_argument', message, options);
export const notFound = (message: string, options?: EngineErrorOptions): EngineError =>
  new EngineError('not_found', message, options);
export const conflict = (message: string, options?: EngineErrorOptions): EngineError =>
  new EngineError('conflict', message, options);
export const notModified = (message: string): EngineError => new EngineError('not_modified', message);
export const notImplemented = (message: string): EngineError => new EngineError('not_implemented', message);

/** The code of any thrown value; what is not an EngineError is `internal`. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof EngineError ? error.code : 'internal';
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Prefixes what was being attempted; keeps the code and the chain. */
export function wrap(error: unknown, attempted: string): EngineError {
  return new EngineError(codeOf(error), `${attempted}: ${messageOf(error)}`, {
    cause: error,
    ...(error instanceof EngineError ? { details: error.details } : {}),
  });
}

/** True for a Node system error with one of these errno names. */
export function isErrno(error: unknown, ...names: string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && names.includes(error.code);
}
