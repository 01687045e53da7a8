import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeVertex } from './vertex.ts';

const source = (attributes: Record<string, string>, name: string) =>
  makeVertex({ inputs: [], op: { kind: 'source', identifier: 'local://context', attributes }, platform: undefined, meta: { name, ignoreCache: false, ranges: [] } });

test('same work has the same digest, whatever it is called and in whatever order its attributes came', () => {
  assert.equal(source({ a: '1', b: '2' }, 'one').digest, source({ b: '2', a: '1' }, 'two').digest);
  assert.notEqual(source({ a: '1' }, 'one').digest, source({ a: '2' }, 'one').digest);
});
