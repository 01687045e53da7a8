import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goArchitecture, parsePlatform, renderPlatform } from './platform.ts';

test('platforms in every form', () => {
  const cases: Record<string, string> = {
    'linux/amd64': 'linux/amd64', 'linux/x86_64': 'linux/amd64', 'Linux/AMD64': 'linux/amd64', 'linux/amd64/v1': 'linux/amd64', 'linux/amd64/v3': 'linux/amd64/v3',
    'linux/arm64/v8': 'linux/arm64', aarch64: 'linux/arm64', arm: 'linux/arm/v7', 'linux/arm/6': 'linux/arm/v6', armel: 'linux/arm/v6', linux: `linux/${goArchitecture()}`,
    windows: `windows/${goArchitecture()}`, 'windows(10.0.17763)/amd64': 'windows/amd64', 'macos/arm64': 'darwin/arm64',
  };
  for (const [text, expected] of Object.entries(cases)) assert.equal(renderPlatform(parsePlatform(text)), expected, text);
  assert.equal(parsePlatform('windows(10.0.17763)/amd64')['os.version'], '10.0.17763');
});

test('what is no platform is refused in containerd’s words', () => {
  assert.throws(() => parsePlatform('foo'), { code: 'invalid_argument', message: '"foo": unknown operating system or architecture: invalid argument' });
  assert.throws(() => parsePlatform('a/b/c/d'), { message: '"a/b/c/d": cannot parse platform specifier: invalid argument' });
  assert.throws(() => parsePlatform('linux/*'), { message: '"linux/*": wildcards not yet supported: invalid argument' });
  assert.throws(() => parsePlatform('foo,bar'), /^EngineError: "foo,bar" is an invalid OS component of "foo,bar": OSAndVersion specifier component must match "\^\(\[A-Za-z0-9_-\]\+\)\(\?:\\\\\(/);
  assert.throws(() => parsePlatform('linux/..\\x'), /is an invalid component of/);
});
