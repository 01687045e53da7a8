import { createLog, type Log, type LogFields, type LogLevel } from '#base/log.ts';

export interface AdjustableLog {
  log: Log;
  setLevel(level: LogLevel): void;
}

const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** A log whose level can change while it is in use, its descendants' too. */
export function createAdjustableLog(options: { level: LogLevel; format: 'text' | 'json'; write: (line: string) => void }): AdjustableLog {
  let least = rank[options.level];
  const guard = (inner: Log): Log => {
    const at = (level: LogLevel) => (message: string, fields?: LogFields): void => {
      if (rank[level] >= least) inner[level](message, fields);
    };
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), with: (fields) => guard(inner.with(fields)) };
  };
  return {
    log: guard(createLog({ ...options, level: 'debug' })),
    setLevel: (level) => {
      least = rank[level];
    },
  };
}
