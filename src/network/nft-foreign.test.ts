import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileForeign } from './nft-foreign.ts';

const match = (key: string, name: string): unknown => ({ match: { op: '==', left: { meta: { key } }, right: name } });
const counter = { counter: { packets: 3, bytes: 200 } };
const rule = (handle: number, ...expr: unknown[]): unknown => ({ rule: { handle, expr } });
const chain = (policy: string | undefined, ...rules: unknown[]): unknown => ({ nftables: [{ metainfo: {} }, { chain: { name: 'x', ...(policy ? { policy } : {}) } }, ...rules] });
const ours = (bridge: string, first: number): unknown[] => [
  rule(first, match('oifname', bridge), counter, { accept: null }),
  rule(first + 1, match('iifname', bridge), counter, { jump: { target: 'DOCKER-ISOLATION-STAGE-2' } }),
  rule(first + 2, match('iifname', bridge), counter, { accept: null }),
];
const dockers = rule(4, match('iifname', 'docker0'), counter, { accept: null });
const back = rule(5, counter, { return: null });

test('no iptables on the machine, or a FORWARD chain that accepts: nothing to do', () => {
  assert.equal(compileForeign({ family: 'ip', forward: undefined, user: undefined, isolation: undefined }, ['g0']), '');
  assert.equal(compileForeign({ family: 'ip', forward: chain('accept', dockers), user: undefined, isolation: undefined }, ['g0']), '');
});

test('beside Docker our bridges are let through in DOCKER-USER, but not into Docker\'s networks', () => {
  assert.equal(
    compileForeign({ family: 'ip', forward: chain('drop', dockers), user: chain(undefined, back), isolation: chain(undefined) }, ['g0']),
    [
      'insert rule ip filter DOCKER-USER iifname "g0" counter accept',
      'insert rule ip filter DOCKER-USER iifname "g0" counter jump DOCKER-ISOLATION-STAGE-2',
      'insert rule ip filter DOCKER-USER oifname "g0" counter accept',
      '',
    ].join('\n'),
  );
});

test('what stands already is left alone; what is no longer ours goes', () => {
  const chains = { family: 'ip', forward: chain('drop', dockers), user: chain(undefined, ...ours('g0', 10), back), isolation: chain(undefined) } as const;
  assert.equal(compileForeign(chains, ['g0']), '');
  assert.equal(compileForeign(chains, [], ['g0']), [10, 11, 12].map((handle) => `delete rule ip filter DOCKER-USER handle ${handle}\n`).join(''));
});

test('our rules move back to the front when others came before them', () => {
  const text = compileForeign({ family: 'ip', forward: chain('drop'), user: chain(undefined, back, ...ours('g0', 10)), isolation: chain(undefined) }, ['g0']);
  assert.match(text, /^delete rule ip filter DOCKER-USER handle 10\n[^]*insert rule/);
});

test('without Docker a dropping FORWARD chain itself lets our bridges through', () => {
  assert.equal(
    compileForeign({ family: 'ip', forward: chain('drop', dockers), user: undefined, isolation: undefined }, ['g0']),
    'insert rule ip filter FORWARD iifname "g0" counter accept\ninsert rule ip filter FORWARD oifname "g0" counter accept\n',
  );
});

test('rules of others about other interfaces or with other matches are never touched', () => {
  const strange = rule(20, match('iifname', 'g0'), { match: { op: '==', left: { payload: {} }, right: '10.0.0.1' } }, { drop: null });
  assert.equal(compileForeign({ family: 'ip', forward: chain('accept', dockers, strange), user: undefined, isolation: undefined }, ['g0']), '');
});

test('where the host decides about published ports, only what containers send is let through', () => {
  assert.equal(compileForeign({ family: 'ip6', forward: chain('drop'), user: undefined, isolation: undefined }, ['g0'], [], 'host'), 'insert rule ip6 filter FORWARD iifname "g0" counter accept\n');
});
