import assert from 'node:assert/strict';
import { test } from 'node:test';
import { humanDuration, statusText } from './status-text.ts';

const seconds = (count: number): string => humanDuration(count * 1000);

test('durations as people know them from docker ps', () => {
  assert.deepEqual(
    [0.4, 1, 59, 60, 119, 120, 3599, 3600, 7200, 47 * 3600, 49 * 3600, 15 * 86400, 65 * 86400, 800 * 86400].map(seconds),
    [
      'Less than a second', '1 second', '59 seconds', 'About a minute', 'About a minute', '2 minutes', '59 minutes', 'About an hour', '2 hours', '47 hours',
      '2 days', '2 weeks', '2 months', '2 years',
    ],
  );
});

test('the status of every state', () => {
  const process = { pid: 1, startTime: 1, monitorPid: 0, monitorStartTime: 0 };
  const base = { exitCode: 3, startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:10Z', health: undefined };
  const at = Date.parse('2026-01-01T00:00:40Z');
  assert.equal(statusText({ ...base, life: { status: 'running', process } }, at), 'Up 40 seconds');
  assert.equal(statusText({ ...base, life: { status: 'running', process }, health: { Status: 'healthy' } }, at), 'Up 40 seconds (healthy)');
  assert.equal(statusText({ ...base, life: { status: 'running', process }, health: { Status: 'starting' } }, at), 'Up 40 seconds (health: starting)');
  assert.equal(statusText({ ...base, life: { status: 'paused', process } }, at), 'Up 40 seconds (Paused)');
  assert.equal(statusText({ ...base, life: { status: 'exited' } }, at), 'Exited (3) 30 seconds ago');
  assert.equal(statusText({ ...base, life: { status: 'restarting', at: 0 } }, at), 'Restarting (3) 30 seconds ago');
  assert.equal(statusText({ ...base, life: { status: 'created' } }, at), 'Created');
  assert.equal(statusText({ ...base, life: { status: 'dead' } }, at), 'Dead');
});
