/** What the CLI does with registries, beside the unmodified docker CLI on the same engine and the same real registry. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { mediaTypes } from '#spec/oci-image.ts';
import { clientHost, freePort } from '../clients/host.ts';
import type { CliResult } from '../clients/docker-cli.ts';
import { blobsOf, buildAttestation, buildImage, entryOf, indexOf, layout } from '../image/layouts.ts';
import { noRegistry, startRegistry, type RegistryServer } from '../registry-server.ts';

const skip = noRegistry || (spawnSync('skopeo', ['--version']).error === undefined ? false : 'skopeo is not installed');
const entry = new URL('../../src/gantry.ts', import.meta.url).pathname;

describe('registries', { skip }, () => {
  let url: string;
  let release: () => Promise<void>;
  let open: RegistryServer;
  let closed: RegistryServer;
  let scratch: string;
  let stopSearch: () => void;
  let searchHost: string;

  before(async () => {
    ({ url, release } = await clientHost());
    [open, closed] = await Promise.all([startRegistry(), startRegistry({ login: 'user' })]);
    scratch = mkdtempSync(join(tmpdir(), 'gantry-registries-'));
    const [mine, other] = [buildImage({ os: 'linux', architecture: 'amd64' }, [{ name: 'a', content: '1' }]), buildImage({ os: 'linux', architecture: 'arm64', variant: 'v8' }, [{ name: 'a', content: '2' }])];
    const attestation = buildAttestation(mine);
    const tar = join(scratch, 'multi.tar');
    writeFileSync(tar, layout('docker.io/library/multi:1', mediaTypes.ociIndex, indexOf(entryOf(other), entryOf(mine), attestation.descriptor), [...blobsOf(mine), ...blobsOf(other), attestation.manifest, ...attestation.blobs]));
    const copy = (...args: string[]): void => void execFileSync('skopeo', ['--insecure-policy', 'copy', '-q', '--dest-tls-verify=false', ...args]);
    copy('--all', `oci-archive:${tar}`, `docker://${open.host}/t/multi:1`);
    for (const [arch, format] of [['amd64', 'v2s2'], ['arm64', 'v2s2'], ['amd64', 'oci'], ['arm64', 'oci']] as const) {
      execFileSync('skopeo', ['--insecure-policy', '--override-arch', arch, '--override-variant', arch === 'arm64' ? 'v8' : '', 'copy', '-q', '--dest-tls-verify=false', '--format', format, `oci-archive:${tar}`, `docker://${open.host}/t/${format}-${arch}:1`]);
    }
    ({ host: searchHost, stop: stopSearch } = await startSearch());
  });

  after(async () => {
    stopSearch?.();
    await Promise.all([open?.stop(), closed?.stop()]);
    await release?.();
    rmSync(scratch, { recursive: true, force: true });
  });

  const run = (program: 'docker' | 'gantry', config: string, args: readonly string[], input?: string): Promise<CliResult> => {
    const [file, first] = program === 'docker' ? ['docker', []] : [process.execPath, ['--', entry]];
    const child = spawn(file, [...first, ...args], { env: { ...process.env, DOCKER_HOST: url, DOCKER_CONFIG: config, NODE_NO_WARNINGS: '1' }, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
    child.stdin?.end(input);
    let [stdout, stderr] = ['', ''];
    child.stdout!.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ code: code ?? -1, stdout, stderr })));
  };
  const fresh = (name: string): string => mkdtempSync(join(scratch, `${name}-`));

  /** Both run the same lines in a folder of their own; all that they print and leave must be the same. */
  const same = (title: string, lines: readonly (string | [line: string, input: string])[]): void => {
    test(title, async () => {
      const [theirs, ours] = [fresh('docker'), fresh('gantry')];
      for (const item of lines) {
        const [line, input] = typeof item === 'string' ? [item] : item;
        const args = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) =>
          (quoted ?? bare ?? '').replaceAll('OPEN', open.host).replaceAll('CLOSED', closed.host).replaceAll('SEARCH', searchHost),
        );
        const plain = ({ code, stdout, stderr }: CliResult, config: string): CliResult => {
          const even = (text: string): string => text.replaceAll(config, 'CONFIG').replace(/\bgantry\b/g, 'docker');
          return { code, stdout: even(stdout), stderr: even(stderr) };
        };
        const expected = plain(await run('docker', theirs, args, input), theirs);
        assert.deepEqual(plain(await run('gantry', ours, args, input), ours), expected, line);
      }
      const file = (config: string): unknown => (existsSync(join(config, 'config.json')) ? JSON.parse(readFileSync(join(config, 'config.json'), 'utf8')) : undefined);
      assert.deepEqual(file(ours), file(theirs));
      if (file(ours) !== undefined) assert.equal(statSync(join(ours, 'config.json')).mode & 0o777, 0o600);
    });
  };

  same('manifests at a registry', [
    'manifest inspect --insecure OPEN/t/v2s2-amd64:1', 'manifest inspect --insecure -v OPEN/t/v2s2-amd64:1', 'manifest inspect --insecure OPEN/t/multi:1', 'manifest inspect --insecure -v OPEN/t/oci-arm64:1', 'manifest inspect --insecure -v OPEN/t/multi:1', 'manifest inspect --insecure OPEN/t/none:1',
  ]);
  for (const format of ['v2s2', 'oci']) {
    same(`a list of ${format} manifests from its beginning to its end`, [
      `manifest create --insecure OPEN/t/list-${format}:1 OPEN/t/${format}-amd64:1 OPEN/t/${format}-arm64:1`,
      `manifest create --insecure OPEN/t/list-${format}:1 OPEN/t/${format}-amd64:1`,
      `manifest create --insecure --amend OPEN/t/list-${format}:1 OPEN/t/${format}-amd64:1`,
      `manifest inspect OPEN/t/list-${format}:1`,
      `manifest annotate --variant v7 --arch arm --os-features a,b --os-version 1 OPEN/t/list-${format}:1 OPEN/t/${format}-arm64:1`,
      `manifest annotate --os nonsense OPEN/t/list-${format}:1 OPEN/t/${format}-arm64:1`,
      `manifest annotate OPEN/t/list-${format}:1 OPEN/t/none:1`,
      `manifest inspect OPEN/t/list-${format}:1 OPEN/t/${format}-arm64:1`,
      `manifest inspect -v OPEN/t/list-${format}:1`,
      `manifest push --insecure OPEN/t/list-${format}:1`,
      `manifest push --insecure -p OPEN/t/list-${format}:1`,
      `manifest inspect --insecure OPEN/t/list-${format}:1`,
      `manifest rm OPEN/t/list-${format}:1`,
    ]);
  }
  same('manifest errors', ['manifest create A b', 'manifest create --insecure OPEN/t/l:1 OPEN/t/multi:1', 'manifest create --insecure OPEN/t/l:1 OPEN/t/none:1', 'manifest push --insecure OPEN/t/never:1', 'manifest create a', 'manifest annotate a']);
  same('logging in and out', [
    'login -u user -p secret CLOSED', 'login -u user -p wrong CLOSED', ['login -u user --password-stdin CLOSED', 'secret\n'], 'logout CLOSED', 'logout CLOSED', 'logout',
    'login CLOSED', 'login -u user CLOSED', 'login -p secret CLOSED', 'login --password-stdin CLOSED', 'login -u user -p a --password-stdin CLOSED',
  ]);
  same('search', ['search SEARCH/box', 'search --no-trunc SEARCH/box', "search --format '{{.Name}} {{.StarCount}} {{.IsOfficial}}' SEARCH/box", 'search -f stars=5 SEARCH/box', 'search --limit 1 SEARCH/box', 'search', 'search -f nonsense=1 SEARCH/box', 'search --limit 1000 SEARCH/box']);

  test('credentials that login stored let pull, push and run in', async () => {
    const config = fresh('both');
    await run('gantry', config, ['login', '-u', 'user', '-p', 'secret', closed.host]);
    const pulled = await run('gantry', config, ['pull', '-q', `${open.host}/t/multi:1`]);
    assert.equal(pulled.code, 0, pulled.stderr);
    await run('gantry', config, ['tag', `${open.host}/t/multi:1`, `${closed.host}/t/multi:1`]);
    assert.equal((await run('gantry', config, ['push', '-q', `${closed.host}/t/multi:1`])).code, 0);
    assert.equal((await run('docker', config, ['manifest', 'inspect', '--insecure', `${closed.host}/t/multi:1`])).code, 0, "docker's CLI uses them, too");
    await run('gantry', config, ['rmi', `${open.host}/t/multi:1`, `${closed.host}/t/multi:1`]);
    assert.notEqual((await run('gantry', fresh('none'), ['pull', '-q', `${closed.host}/t/multi:1`])).code, 0);
    assert.equal((await run('gantry', config, ['create', '--pull', 'always', '-q', '--name', `gr-${process.pid}`, `${closed.host}/t/multi:1`])).code, 0);
    await run('gantry', config, ['rm', `gr-${process.pid}`]);
    await run('gantry', config, ['rmi', `${closed.host}/t/multi:1`]);
  });
});

/** Registries of the old kind answer searches; the CNCF registry does not. */
async function startSearch(): Promise<{ host: string; stop: () => void }> {
  const host = `127.0.0.1:${await freePort()}`;
  const results = [
    { name: 'library/box', description: 'A box\nof many words, so many that they do not fit into one column', star_count: 9, is_official: true, is_automated: false },
    { name: 'team/box', description: '', star_count: 1, is_official: false, is_automated: false },
  ];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', `http://${host}`);
    if (pathname !== '/v1/search') return void response.writeHead(pathname === '/v1/_ping' ? 200 : 404).end();
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ num_results: 2, query: searchParams.get('q'), results: results.slice(0, Number(searchParams.get('n') ?? 25)) }));
  });
  await new Promise<void>((resolve) => server.listen(Number(host.split(':')[1]), '127.0.0.1', resolve));
  return { host, stop: () => server.close() };
}
