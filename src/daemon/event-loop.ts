import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Log } from '#base/log.ts';

/** Milliseconds that the event loop came too late, since the last reading. */
export interface EventLoopDelay {
  p50: number;
  p99: number;
  max: number;
}

/** Says so in the log whenever something held the event loop for longer than `tolerated` ms. */
export function watchEventLoop(log: Log, tolerated = 100): { read(): EventLoopDelay } & Disposable {
  const histogram = monitorEventLoopDelay({ resolution: 10 });
  histogram.enable();
  let worst = 0;
  const milliseconds = (nanos: number): number => Math.max(0, Math.round(nanos / 1e4) / 100 - 10);
  const timer = setInterval(() => {
    const max = milliseconds(histogram.max);
    if (max > tolerated && max > worst) log.warn('the event loop was held up', { milliseconds: max });
    worst = max;
  }, 5_000);
  timer.unref();
  return {
    read() {
      const delay = { p50: milliseconds(histogram.percentile(50)), p99: milliseconds(histogram.percentile(99)), max: milliseconds(histogram.max) };
      histogram.reset();
      worst = 0;
      return delay;
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      histogram.disable();
    },
  };
}
