import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Log } from '#base/log.ts';

const RESOLUTION = 10;
const EVERY = 500;
const TOLERATED = 200;

/**
 * Says in the log when something held the event loop. SIGUSR2 turns an exact histogram on (it costs a timer of 10 ms, so it
 * is off otherwise); each further SIGUSR2 logs `event loop delay` with p50, p99 and max in milliseconds since the last one.
 */
export function watchEventLoop(log: Log): void {
  let due = performance.now() + EVERY;
  const timer = setInterval(() => {
    const late = performance.now() - due;
    if (late > TOLERATED) log.warn('the event loop was held up', { milliseconds: Math.round(late) });
    due = performance.now() + EVERY;
  }, EVERY);
  timer.unref();

  let histogram: ReturnType<typeof monitorEventLoopDelay> | undefined;
  process.on('SIGUSR2', () => {
    if (histogram === undefined) {
      histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
      histogram.enable();
    }
    const milliseconds = (nanos: number): number => Math.max(0, Math.round(nanos / 1e4) / 100 - RESOLUTION);
    log.info('event loop delay', {
      p50: milliseconds(histogram.percentile(50)),
      p99: milliseconds(histogram.percentile(99)),
      max: milliseconds(histogram.max),
    });
    histogram.reset();
  });
}
