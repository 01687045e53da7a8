import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyFor } from './proxy.ts';

const settings = { http: 'http://plain.test:3128', https: 'secure.test:3129', no: '.inner.test, bare.test, 10.0.0.0/8, exact.test:5000, fd00::/8' };
const via = (url: string): string | undefined => proxyFor(settings, new URL(url))?.host;

test('a proxy a scheme', () => {
  assert.equal(via('http://r.test/v2/'), 'plain.test:3128');
  assert.equal(via('https://r.test/v2/'), 'secure.test:3129');
  assert.equal(proxyFor({ http: '', https: '', no: '' }, new URL('https://r.test')), undefined);
  assert.equal(proxyFor({ http: '', https: 'socks5://x', no: '' }, new URL('https://r.test')), undefined);
});

test('names, domains, ranges and ports that go straight', () => {
  for (const url of ['https://a.inner.test', 'https://bare.test', 'https://sub.bare.test', 'http://10.9.9.9:5000', 'https://exact.test:5000', 'http://[fd00::1]', 'http://127.0.0.1:5000', 'http://localhost:5000']) {
    assert.equal(via(url), undefined, url);
  }
  for (const url of ['https://inner.test', 'https://notbare.test', 'http://11.0.0.1', 'https://exact.test:5001']) assert.notEqual(via(url), undefined, url);
});
