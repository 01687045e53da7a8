import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGoDuration, parseMoment } from './timestamp.ts';

const now = 1_800_000_000_000_000_000n;

test('moments are seconds, RFC 3339 or durations before now', () => {
  assert.equal(parseMoment('1700000000', now), 1_700_000_000_000_000_000n);
  assert.equal(parseMoment('1700000000.000000001', now), 1_700_000_000_000_000_001n);
  assert.equal(parseMoment('2026-01-02T03:04:05.000000006Z', now), BigInt(Date.UTC(2026, 0, 2, 3, 4, 5)) * 1_000_000n + 6n);
  assert.equal(parseMoment('2026-01-02T03:04:05+01:00', now), BigInt(Date.UTC(2026, 0, 2, 2, 4, 5)) * 1_000_000n);
  assert.equal(parseMoment('2026-01-02Z', now), BigInt(Date.UTC(2026, 0, 2)) * 1_000_000n);
  assert.equal(parseMoment('1h30m', now), now - 5_400_000_000_000n);
  assert.throws(() => parseMoment('yesterday', now), { message: 'failed to parse value as time or duration: "yesterday"' });
});

test('durations are exact', () => {
  assert.equal(parseGoDuration('1.5s'), 1_500_000_000n);
  assert.equal(parseGoDuration('-2ms3us'), -2_003_000n);
  assert.equal(parseGoDuration('0'), 0n);
  assert.equal(parseGoDuration('5'), undefined);
});
