import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerInspectResponse, ContainerSummary } from '#spec/wire/container.ts';
import type { ImageSummary } from '#spec/wire/image.ts';
import { adaptContainer, adaptContainerSummary } from './container.ts';
import { renderDiskUsage } from './disk-usage.ts';
import { renderEvents } from './event.ts';
import { adaptImage, adaptImageSummary } from './image.ts';
import { adaptInfo } from './info.ts';

const container: ContainerInspectResponse = {
  Id: 'a'.repeat(64),
  Config: { Hostname: 'h' },
  HostConfig: { NetworkMode: 'bridge' },
  ImageManifestDescriptor: { digest: 'sha256:1' },
  NetworkSettings: {
    Ports: {},
    Networks: { bridge: { IPAddress: '172.30.0.2', MacAddress: '02:42', Gateway: '172.30.0.1' }, own: { Aliases: ['x'] } },
  },
};

test('inspect: the bridge address stands at the top too, aliases hold the short id until 1.44', () => {
  const old = adaptContainer(container, '1.55') as { NetworkSettings: Record<string, unknown> };
  assert.equal(old.NetworkSettings['IPAddress'], '172.30.0.2');
  assert.equal(old.NetworkSettings['MacAddress'], '02:42');
  assert.deepEqual(adaptContainer(container, '1.45').NetworkSettings?.Networks?.['own']?.Aliases, ['x']);
  assert.deepEqual(adaptContainer(container, '1.44').NetworkSettings?.Networks?.['own']?.Aliases, ['x', 'a'.repeat(12), 'h']);
  assert.equal(adaptContainer(container, '1.47').ImageManifestDescriptor, undefined);
  assert.deepEqual(container.NetworkSettings?.Networks?.['own']?.Aliases, ['x'], 'the given object is left alone');
});

test('inspect: an endpoint has every field, absent ones as null', () => {
  const endpoint = adaptContainer(container, '1.55').NetworkSettings?.Networks?.['bridge'] as Record<string, unknown>;
  assert.deepEqual([endpoint['Links'], endpoint['IPAMConfig'], endpoint['IPAddress']], [null, null, '172.30.0.2']);
});

test('inspect of a container without the bridge has empty top-level addresses', () => {
  const { NetworkSettings } = adaptContainer({ NetworkSettings: { Networks: {} } }, '1.40') as { NetworkSettings: Record<string, unknown> };
  assert.equal(NetworkSettings['IPAddress'], '');
  assert.equal(NetworkSettings['IPPrefixLen'], 0);
});

test('list: annotations since 1.46, manifest since 1.48, health since 1.52', () => {
  const summary: ContainerSummary = {
    Id: 'a',
    HostConfig: { NetworkMode: 'bridge', Annotations: { a: 'b' } },
    ImageManifestDescriptor: { digest: 'd' },
    Health: { Status: 'healthy' },
  };
  const keys = (version: string): string => Object.keys(adaptContainerSummary(summary, version)).join();
  assert.equal(keys('1.52'), 'Id,HostConfig,ImageManifestDescriptor,Health');
  assert.equal(keys('1.51'), 'Id,HostConfig,ImageManifestDescriptor');
  assert.equal(keys('1.47'), 'Id,HostConfig');
  assert.deepEqual(adaptContainerSummary(summary, '1.45').HostConfig, { NetworkMode: 'bridge' });
});

const image: ImageSummary = {
  Id: 'sha256:1',
  ParentId: '',
  RepoTags: [],
  RepoDigests: [],
  Created: 1,
  Size: 10,
  SharedSize: -1,
  Labels: {},
  Containers: 2,
  Descriptor: { digest: 'd' },
};

test('images: virtual size until 1.43, <none> until 1.42', () => {
  assert.equal(adaptImageSummary(image, '1.51'), image);
  assert.equal(adaptImageSummary(image, '1.50').Containers, -1);
  assert.equal(adaptImageSummary(image, '1.47').Descriptor, undefined);
  const oldest = adaptImageSummary(image, '1.42') as ImageSummary & { VirtualSize: number };
  assert.deepEqual([oldest.VirtualSize, oldest.RepoTags, oldest.RepoDigests], [10, ['<none>:<none>'], ['<none>@<none>']]);

  const inspected = { Id: 'sha256:1', Size: 10, Config: { Cmd: ['sh'] } };
  assert.deepEqual(Object.keys(adaptImage(inspected, '1.55').Config ?? {}), [
    'Cmd',
    'Entrypoint',
    'Env',
    'Labels',
    'OnBuild',
    'User',
    'Volumes',
    'WorkingDir',
  ]);
  const old = adaptImage(inspected, '1.43') as Record<string, unknown>;
  assert.deepEqual([old['VirtualSize'], old['Created'], old['Container'], old['Parent']], [10, '0001-01-01T00:00:00Z', '', '']);
});

test('info: fields come and go', () => {
  const info = { ContainerdCommit: { ID: 'c' }, Containerd: {}, FirewallBackend: {}, DiscoveredDevices: [], Runtimes: { crun: { path: '/crun', status: {} } } };
  assert.equal(adaptInfo(info, '1.53'), info);
  const old = adaptInfo(info, '1.43') as Record<string, unknown>;
  assert.deepEqual(old['ContainerdCommit'], { ID: 'c', Expected: 'c' });
  assert.deepEqual(old['Runtimes'], { crun: { path: '/crun' } });
  assert.equal(old['BridgeNfIptables'], false);
  assert.equal('Containerd' in old || 'FirewallBackend' in old || 'DiscoveredDevices' in old, false);
});

test('events: exact nanoseconds, status/id/from beside them, no image create until 1.45', async () => {
  const event = { Type: 'container', Action: 'die', Actor: { ID: 'x', Attributes: { image: 'i' } }, scope: 'local', time: 1, timeNano: 1795487530446428761n };
  const lines = (version: string, type = 'application/json'): Promise<string[]> =>
    Array.fromAsync(
      renderEvents(
        (async function* () {
          yield event;
          yield { Type: 'image', Action: 'create', Actor: { ID: 'i' } };
        })(),
        version,
        type,
      ),
    );
  assert.deepEqual(await lines('1.52'), [
    '{"status":"die","id":"x","from":"i","Type":"container","Action":"die","Actor":{"ID":"x","Attributes":{"image":"i"}},"scope":"local","time":1,"timeNano":1795487530446428761}\n',
    '{"status":"create","id":"i","Type":"image","Action":"create","Actor":{"ID":"i"}}\n',
  ]);
  assert.deepEqual(await lines('1.45'), [
    '{"status":"die","id":"x","from":"i","Type":"container","Action":"die","Actor":{"ID":"x","Attributes":{"image":"i"}},"scope":"local","time":1,"timeNano":1795487530446428761}\n',
  ]);
  assert.equal((await lines('1.55', 'application/json-seq'))[0]?.[0], '\u001e');
});

test('df: lists until 1.51, summaries since, both for a client that is not verbose', () => {
  const usage = { layersSize: 10, images: [image], containers: [{ Id: 'c', State: 'exited', SizeRw: 5 }], volumes: [], buildCache: [] };
  const all = ['container', 'image', 'volume', 'build-cache'] as const;
  assert.deepEqual(Object.keys(renderDiskUsage(usage, all, '1.51', true)), ['LayersSize', 'Images', 'Containers', 'Volumes', 'BuildCache']);
  assert.equal((renderDiskUsage(usage, all, '1.45', false)['Images'] as ImageSummary[])[0]?.Containers, 2);
  const verbose = renderDiskUsage(usage, all, '1.52', true);
  assert.deepEqual(Object.keys(verbose), ['ImageUsage', 'ContainerUsage', 'VolumeUsage', 'BuildCacheUsage']);
  assert.deepEqual(verbose['ContainerUsage'], { ActiveCount: 0, TotalCount: 1, Reclaimable: 5, TotalSize: 5, Items: usage.containers });
  assert.deepEqual(Object.keys(renderDiskUsage(usage, ['volume'], '1.52', false)), ['Volumes', 'VolumeUsage']);
});
