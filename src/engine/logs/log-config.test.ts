import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { availableLogDrivers, checkLogConfig, logPolicy, parseSize } from './log-config.ts';

const nothing = { labels: {}, env: [] };
const policy = (options: Record<string, string>, type = 'json-file'): ReturnType<typeof logPolicy> => logPolicy({ type, options }, nothing, () => false);

describe('log options', () => {
  it('bounds logs by default', () => {
    const { maxSize, maxFiles, compress, stored } = policy({});
    assert.deepEqual({ maxSize, maxFiles, compress, stored }, { maxSize: 20_000_000, maxFiles: 5, compress: false, stored: true });
  });

  it('takes sizes as Docker does', () => {
    assert.equal(policy({ 'max-size': '10m', 'max-file': '3' }).maxSize, 10_000_000);
    assert.equal(policy({ 'max-size': '-1' }).maxSize, undefined);
    assert.equal(parseSize('1.5k', 1024), 1536);
    assert.equal(parseSize('4q', 1024), undefined);
  });

  it('refuses what is unknown by name', () => {
    const check = (type: string, options: Record<string, string>): (() => void) => () => checkLogConfig({ type, options });
    assert.throws(check('json-file', { x: 'y' }), /^EngineError: unknown log opt 'x' for json-file log driver$/);
    assert.throws(check('local', { x: 'y' }), /unknown log opt 'x' for log driver local/);
    assert.throws(check('nope', {}), /error looking up logging plugin nope/);
    assert.throws(check('json-file', { mode: 'foo' }), /logger: logging mode not supported: foo/);
    assert.throws(check('json-file', { 'max-buffer-size': '4m' }), /only supported with 'mode=non-blocking'/);
    assert.throws(check('json-file', { mode: 'non-blocking', 'max-buffer-size': '4q' }), /invalid size: '4q'/);
    assert.doesNotThrow(check('json-file', { mode: 'non-blocking', 'max-buffer-size': '4m', labels: 'a,b' }));
  });

  it('refuses values that make no sense', () => {
    assert.throws(() => policy({ 'max-size': 'abc' }), /invalid size: 'abc'/);
    assert.throws(() => policy({ 'max-file': '0' }), /max-file cannot be less than 1/);
    assert.throws(() => policy({ 'max-file': 'x' }), /strconv.Atoi: parsing "x": invalid syntax/);
    assert.throws(() => policy({ compress: 'maybe' }), /strconv.ParseBool: parsing "maybe": invalid syntax/);
    assert.throws(() => policy({ compress: 'true', 'max-file': '1' }), /compress cannot be true/);
  });

  it('offers journald and syslog only where they are', () => {
    assert.deepEqual(availableLogDrivers(() => false), ['json-file', 'local', 'none']);
    assert.ok(availableLogDrivers(() => true).includes('journald'));
    assert.throws(() => policy({}, 'journald'), /journald is not enabled on this host/);
    assert.throws(() => policy({}, 'syslog'), /Unix syslog delivery error/);
  });

  it('selects attributes from labels and environment', () => {
    const { attributes } = logPolicy(
      { type: 'json-file', options: { labels: 'a', 'env-regex': '^V', tag: 'mine' } },
      { labels: { a: '1', b: '2' }, env: ['V1=x', 'W=y'] },
    );
    assert.deepEqual(attributes, { a: '1', V1: 'x', tag: 'mine' });
  });
});
