import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerCreateRequest } from '#spec/wire/container.ts';
import { adaptCreateRequest } from './create-request.ts';

const adapt = (request: ContainerCreateRequest, version: string): ReturnType<typeof adaptCreateRequest> => adaptCreateRequest(request, version);

test('the network mode default is bridge, for its endpoint too', () => {
  const { adapted } = adapt({ NetworkingConfig: { EndpointsConfig: { default: { Aliases: ['a'] } } } }, '1.55');
  assert.equal(adapted.HostConfig?.NetworkMode, 'bridge');
  assert.deepEqual(adapted.NetworkingConfig?.EndpointsConfig, { bridge: { Aliases: ['a'] } });
});

test('a container-wide MAC address moves to the main endpoint', () => {
  const old = adapt({ MacAddress: '02:42:ac:11:00:09' }, '1.43');
  assert.deepEqual(old.adapted.NetworkingConfig?.EndpointsConfig, { bridge: { MacAddress: '02:42:ac:11:00:09' } });
  assert.deepEqual(old.warnings, []);
  assert.equal('MacAddress' in old.adapted, false);
  assert.equal(adapt({ MacAddress: '02:42:ac:11:00:09' }, '1.44').warnings.length, 1);
  assert.throws(() => adapt({ MacAddress: '02:42:ac:11:00:09', HostConfig: { NetworkMode: 'host' } }, '1.43'), {
    message: 'conflicting options: mac-address and the network mode',
  });
  assert.throws(
    () =>
      adapt({ MacAddress: 'a', HostConfig: { NetworkMode: 'n' }, NetworkingConfig: { EndpointsConfig: { n: { MacAddress: 'b' } } } }, '1.50'),
    /must match the endpoint-specific MAC address/,
  );
});

test('what a version did not know is dropped', () => {
  const request: ContainerCreateRequest = {
    Healthcheck: { Test: ['CMD', 'true'], StartInterval: 5 },
    HostConfig: { ConsoleSize: [1, 2], Annotations: { a: 'b' }, PidsLimit: -1 },
  };
  const { adapted } = adapt(request, '1.39');
  assert.deepEqual(adapted.Healthcheck, { Test: ['CMD', 'true'] });
  assert.deepEqual(adapted.HostConfig, { NetworkMode: 'bridge', IpcMode: 'shareable' });
  assert.deepEqual(adapt(request, '1.55').adapted.HostConfig, { NetworkMode: 'bridge', ConsoleSize: [1, 2], Annotations: { a: 'b' } });
});

test('what a version must not ask for is refused', () => {
  const two = { NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } } };
  assert.throws(() => adapt(two, '1.43'), { message: 'Container cannot be created with multiple network endpoints: a, b' });
  assert.doesNotThrow(() => adapt(two, '1.44'));
  const mount = (options: object) => ({ HostConfig: { Mounts: [{ Target: '/x', ...options }] } });
  assert.throws(() => adapt(mount({ Type: 'volume', VolumeOptions: { Subpath: 's' } }), '1.44'), { message: 'VolumeOptions.Subpath needs API v1.45 or newer' });
  assert.throws(() => adapt(mount({ Type: 'image' }), '1.47'), { message: 'Mount type "Image" needs API v1.48 or newer' });
  assert.throws(() => adapt(mount({ Type: 'bind', TmpfsOptions: { Mode: 1 } }), '1.42'), { message: 'TmpfsOptions must not be specified on mount type "bind"' });
  assert.deepEqual(adapt(mount({ Type: 'bind', TmpfsOptions: { Mode: 1 } }), '1.41').adapted.HostConfig?.Mounts, [{ Target: '/x', Type: 'bind' }]);
});

test('before 1.44 a read-only bind left the mounts below it alone', () => {
  const request = { HostConfig: { Mounts: [{ Type: 'bind', Source: '/a', Target: '/x', ReadOnly: true }] } };
  assert.equal(adapt(request, '1.43').adapted.HostConfig?.Mounts?.[0]?.BindOptions?.ReadOnlyNonRecursive, true);
  assert.equal(adapt(request, '1.44').adapted.HostConfig?.Mounts?.[0]?.BindOptions, undefined);
});

test('sysctls of an interface move to its endpoint until 1.47', () => {
  const request = { HostConfig: { Sysctls: { 'net.ipv4.conf.eth0.forwarding': '1', 'kernel.msgmax': '2' } } };
  const { adapted, warnings } = adapt(request, '1.47');
  assert.deepEqual(adapted.HostConfig?.Sysctls, { 'kernel.msgmax': '2' });
  assert.deepEqual(adapted.NetworkingConfig?.EndpointsConfig?.['bridge']?.DriverOpts, {
    'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.IFNAME.forwarding=1',
  });
  assert.equal(warnings.length, 1);
  assert.throws(() => adapt(request, '1.48'), /must be supplied using driver option/);
});

test('an empty list of port bindings asks for any port, with a warning since 1.52', () => {
  const request = { HostConfig: { PortBindings: { '80/tcp': [], '81/tcp': [{ HostPort: '1' }] } } };
  const { adapted, warnings } = adapt(request, '1.52');
  assert.deepEqual(adapted.HostConfig?.PortBindings, { '80/tcp': [{}], '81/tcp': [{ HostPort: '1' }] });
  assert.match(warnings[0] ?? '', /80\/tcp/);
  assert.deepEqual(adapt(request, '1.51').warnings, []);
});
