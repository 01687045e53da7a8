import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '#base/clock.ts';
import { statsOf, type StatsReading } from './stats.ts';

function reading(total: number): StatsReading {
  return {
    at: BigInt(total) * 1_000_000_000n,
    cgroup: {
      version: 1,
      cpu: { total, user: 1, kernel: 2, perCpu: [total, 0], periods: 0, throttledPeriods: 0, throttledTime: 0 },
      memory: { usage: 100, peak: 200, limit: undefined, failures: 0, detail: { total_inactive_file: 10 } },
      pids: { current: 3, limit: undefined },
      io: { bytes: [], operations: [] },
    },
    host: { total: total * 10, online: 2 },
    hostMemory: 4096,
    interfaces: undefined,
  };
}

const clock: Clock = { now: () => 0, nowNanos: () => 0n, sleep: async (_ms, signal) => signal?.throwIfAborted() };
const request = { id: 'abc', name: () => 'web', clock, exists: () => true };

describe('statistics', () => {
  it('takes two readings for one answer', async () => {
    let n = 0;
    const [only] = await Array.fromAsync(statsOf({ ...request, read: () => reading(++n), stream: false, oneShot: false }, AbortSignal.any([])));
    assert.equal(only?.name, '/web');
    assert.equal(only?.cpu_stats?.cpu_usage?.total_usage, 2);
    assert.equal(only?.precpu_stats?.cpu_usage?.total_usage, 1);
    assert.equal(only?.cpu_stats?.system_cpu_usage, 20);
    assert.equal(only?.memory_stats?.limit, 4096);
  });

  it('answers at once when asked to', async () => {
    const [only] = await Array.fromAsync(statsOf({ ...request, read: () => reading(1), stream: false, oneShot: true }, AbortSignal.any([])));
    assert.equal(only?.precpu_stats?.cpu_usage?.total_usage, 0);
    assert.equal(only?.preread, '0001-01-01T00:00:00Z');
  });

  it('streams, with empty statistics while the container does not run', async () => {
    const readings = [reading(1), undefined, reading(3), reading(4)];
    let n = 0;
    const gone = new AbortController();
    const totals: unknown[] = [];
    for await (const stats of statsOf({ ...request, read: () => readings[n++], stream: true, oneShot: false }, gone.signal)) {
      totals.push([stats.cpu_stats?.cpu_usage?.total_usage, stats.precpu_stats?.cpu_usage?.total_usage]);
      if (n === readings.length) gone.abort();
    }
    assert.deepEqual(totals, [[1, 0], [0, 0], [3, 0], [4, 3]]);
  });
});
