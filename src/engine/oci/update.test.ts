import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ContainerUpdateRequest, HostConfig } from '#spec/wire/container.ts';
import { testFacts } from './test-facts.ts';
import { decideUpdate } from './update.ts';

const current: HostConfig = { Memory: 20 << 20, MemorySwap: 40 << 20, RestartPolicy: { Name: 'no', MaximumRetryCount: 0 } };
const update = (request: ContainerUpdateRequest, over: HostConfig = {}) => decideUpdate({ id: 'c1', current: { ...current, ...over }, request, facts: testFacts });

describe('update', () => {
  test('keeps what is not named', () => {
    const { hostConfig, resources } = update({ Memory: 10 << 20 });
    assert.deepEqual(hostConfig, { ...current, Memory: 10 << 20 });
    assert.deepEqual(resources, { memory: { limit: 10 << 20, swap: 40 << 20 } });
  });
  test('a policy alone touches no limits', () => {
    const { hostConfig, resources } = update({ RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } });
    assert.deepEqual(hostConfig.RestartPolicy, { Name: 'on-failure', MaximumRetryCount: 3 });
    assert.equal(resources, undefined);
  });
  test('pids: a number, none', () => {
    assert.deepEqual(update({ PidsLimit: 10 }).resources, { pids: { limit: 10 } });
    const none = update({ PidsLimit: -1 }, { PidsLimit: 10 });
    assert.deepEqual([none.hostConfig.PidsLimit, none.resources], [0, { pids: { limit: -1 } }]);
  });
  const refusals: [ContainerUpdateRequest, HostConfig, string][] = [
    [{ Memory: 60 << 20 }, {}, 'Cannot update container c1: Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time'],
    [{ CpuQuota: 5000 }, { NanoCpus: 1e9 }, 'Cannot update container c1: Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set'],
    [{ CpuPeriod: 5000 }, { NanoCpus: 1e9 }, 'Cannot update container c1: Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set'],
    [{ RestartPolicy: { Name: 'bogus' } }, {}, "invalid restart policy: unknown policy 'bogus'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"],
    [{ CpusetCpus: '7' }, {}, 'Requested CPUs are not available - requested 7, available: 0-1'],
    [{ MemoryReservation: 5 << 20 }, {}, 'Minimum memory reservation allowed is 6MB'],
    [{ RestartPolicy: { Name: 'always' } }, { AutoRemove: true }, 'Cannot update container c1: Restart policy cannot be updated because AutoRemove is enabled for the container'],
  ];
  for (const [request, over, message] of refusals) test(JSON.stringify(request), () => assert.throws(() => update(request, over), { message }));
});
