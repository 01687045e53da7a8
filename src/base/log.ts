export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Structured log. Fields are plain values; never pass secrets. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds these fields to every line. */
  with(fields: LogFields): Log;
}

export type LogFields = Readonly<Record<string, unknown>>;

const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Renders each entry as one line of logfmt or JSON and hands it to `write`. */
export function createLog(options: {
  level: LogLevel;
  format: 'text' | 'json';
  write: (line: string) => void;
  fields?: LogFields;
}): Log {
  const emit = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    if (rank[level] < rank[options.level]) return;
    const entry = { time: new Date().toISOString(), level, msg: message, ...options.fields, ...fields };
    options.write(options.format === 'json' ? JSON.stringify(entry, plain) : logfmt(entry));
  };
  return {
    debug: (message, fields) => emit('debug', message, fields),
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, fields) => emit('error', message, fields),
    with: (fields) => createLog({ ...options, fields: { ...options.fields, ...fields } }),
  };
}

export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => silentLog,
};

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return errorChain(value);
  return value;
}

function logfmt(entry: Record<string, unknown>): string {
  return Object.entries(entry)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join(' ');
}

function quote(value: unknown): string {
  const text = value instanceof Error ? errorChain(value) : typeof value === 'object' ? JSON.stringify(value, plain) : String(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text);
}

/** Messages of an error and its causes, outermost first. */
export function errorChain(error: unknown): string {
  const parts: string[] = [];
  for (let current = error; current instanceof Error; current = current.cause) {
    if (!parts.at(-1)?.endsWith(current.message)) parts.push(current.message);
  }
  return parts.length > 0 ? parts.join(': caused by: ') : String(error);
}
