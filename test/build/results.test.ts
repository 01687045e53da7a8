/** What builds leave: indexes of platforms with what is said about them, times, sources from elsewhere, the cache and its pruning. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { buildRig, needsRoot } from './rig.ts';

const rig = buildRig();
const out = mkdtempSync(join(tmpdir(), 'gantry-results-'));
after(() => rmSync(out, { recursive: true, force: true }));

async function build(folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await rig.gantry('build', '--progress=plain', ...args, folder);
  assert.equal(code, 0, stderr);
  return stdout + stderr;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  platform?: { architecture: string };
  annotations?: Record<string, string>;
}

const blob = (tree: string, digest: string): string => join(tree, 'blobs', digest.replace(':', '/'));
const document = (path: string): { manifests: Descriptor[]; layers: Descriptor[]; annotations?: Record<string, string> } => JSON.parse(readFileSync(path, 'utf8')) as ReturnType<typeof document>;

test('two platforms in one index, cross-built, with provenance, a list of packages and annotations', needsRoot, async () => {
  const folder = rig.context({
    Dockerfile: 'FROM --platform=$BUILDPLATFORM busybox AS make\nARG TARGETARCH\nRUN echo "for $TARGETARCH" > /out && mkdir -p /var/lib/dpkg && printf "Package: thing\\nStatus: install ok installed\\nVersion: 1.2-3\\nArchitecture: all\\n\\n" > /var/lib/dpkg/status\nFROM scratch\nCOPY --from=make /out /out\nCOPY --from=make /var/lib/dpkg/status /var/lib/dpkg/status\n',
  });
  const archive = join(out, 'index.tar');
  await build(folder, '--platform=linux/amd64,linux/arm64', '--provenance=mode=max', '--sbom=true', '--annotation=org.example=yes', '-o', `type=oci,dest=${archive}`);
  const tree = join(out, 'index');
  mkdirSync(tree);
  execFileSync('tar', ['-xf', archive, '-C', tree]);
  const [top] = document(join(tree, 'index.json')).manifests;
  const { manifests } = document(blob(tree, top?.digest ?? ''));
  assert.deepEqual(manifests.map(({ platform }) => platform?.architecture), ['amd64', 'unknown', 'arm64', 'unknown']);
  assert.equal(manifests[1]?.annotations?.['vnd.docker.reference.digest'], manifests[0]?.digest);
  assert.deepEqual(document(blob(tree, manifests[0]?.digest ?? '')).annotations, { 'org.example': 'yes' });
  const statements = document(blob(tree, manifests[3]?.digest ?? '')).layers.map(({ digest }) => JSON.parse(readFileSync(blob(tree, digest), 'utf8')) as { predicateType: string; subject: { digest: { sha256: string } }[]; predicate: Record<string, unknown> });
  assert.deepEqual(statements.map(({ predicateType }) => predicateType).toSorted(), ['https://slsa.dev/provenance/v0.2', 'https://spdx.dev/Document']);
  for (const { subject } of statements) assert.equal(`sha256:${subject[0]?.digest.sha256}`, manifests[2]?.digest);
  const packages = statements.find(({ predicateType }) => predicateType.includes('spdx'))?.predicate['packages'] as { name: string; versionInfo: string }[];
  assert.deepEqual(packages.map(({ name, versionInfo }) => [name, versionInfo]), [['thing', '1.2-3']]);
});

test('a platform that cannot run here is refused with what to do', needsRoot, async () => {
  const other = process.arch === 'x64' ? 's390x' : 'amd64';
  if (existsSync(`/proc/sys/fs/binfmt_misc/qemu-${other === 'amd64' ? 'x86_64' : other}`)) return;
  const { code, stderr } = await rig.gantry('build', '--progress=plain', `--platform=linux/${other}`, rig.context({ f: '', Dockerfile: 'FROM scratch\nCOPY f /f\nRUN ["/f"]\n' }));
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`programs for linux/${other} cannot run on this .* machine: no emulator is registered .*qemu-user-static`));
});

test('SOURCE_DATE_EPOCH with rewritten times gives the same digest twice, from nothing', needsRoot, async () => {
  const folder = rig.context({ a: 'x', Dockerfile: 'FROM busybox\nCOPY a /a\nRUN echo made > /made && mkdir /d\nENV A=b\n' });
  const digests = new Set<string>();
  for (let round = 0; round < 2; round++) {
    const { stdout } = await rig.gantry('build', '-q', '--no-cache', '--build-arg', 'SOURCE_DATE_EPOCH=1700000000', '-o', 'type=image,rewrite-timestamp=true', folder);
    digests.add(stdout.trim());
  }
  assert.equal(digests.size, 1);
  const [id = ''] = digests;
  assert.match((await rig.docker('inspect', '-f', '{{.Created}}', id)).stdout, /^2023-11-14T22:13:20Z/);
  assert.match((await rig.docker('run', '--rm', id, 'stat', '-c', '%Y', '/made')).stdout, /^1700000000$/m);
});

test('a context from a repository: branch, subdirectory, and a link that would lead out of it', needsRoot, async (context) => {
  try {
    execFileSync('git', ['--version']);
  } catch {
    context.skip('git is not installed');
    return;
  }
  const work = join(out, 'work');
  const git = (...args: string[]): string => execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', '-C', work, ...args], { encoding: 'utf8' });
  mkdirSync(join(work, 'sub'), { recursive: true });
  writeFileSync(join(work, 'sub/Dockerfile'), 'FROM busybox\nCOPY f /f\nRUN grep -q inside /f\n');
  writeFileSync(join(work, 'sub/f'), 'inside\n');
  symlinkSync('/', join(work, 'leads-out'));
  git('init', '-q', '-b', 'main');
  git('add', '.');
  git('commit', '-qm', 'all');
  execFileSync('git', ['clone', '-q', '--bare', work, join(out, 'repository.git')]);
  execFileSync('git', ['-C', join(out, 'repository.git'), 'update-server-info']);
  const server = createServer((request, response) => {
    const path = join(out, new URL(request.url ?? '/', 'http://x').pathname);
    if (!existsSync(path)) response.writeHead(404).end();
    else response.end(readFileSync(path));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/repository.git`;
    const remote = (fragment: string): Promise<{ code: number; stderr: string }> => rig.gantry('build', '--progress=plain', `${url}#${fragment}`);
    const good = await remote('main:sub');
    assert.equal(good.code, 0, good.stderr);
    assert.notEqual((await remote('main:../..')).code, 0);
    const leads = await remote('main:leads-out/etc');
    assert.notEqual(leads.code, 0);
    assert.match((await remote('nosuchbranch')).stderr, /does not contain ref nosuchbranch/);
  } finally {
    server.close();
  }
});

test('pruning frees space, keeps what is asked for, and du adds up', needsRoot, async () => {
  await rig.docker('image', 'prune', '-af');
  await rig.gantry('builder', 'prune', '-af');
  await rig.gantry('image', 'bootstrap', 'busybox');
  for (const name of ['a', 'b', 'c']) await build(rig.context({ Dockerfile: `FROM busybox\nRUN dd if=/dev/zero of=/${name} bs=1M count=4 2>/dev/null\n` }), '-o', 'type=cacheonly');
  assert.ok(sizes(await rig.gantry('builder', 'du', '--format', '{{.Size}}')) >= 12_500_000);
  const { stdout } = await rig.gantry('builder', 'prune', '-af', '--max-used-space=6m');
  assert.match(stdout, /Total:\t8\.389MB/);
  const again = await build(rig.context({ Dockerfile: 'FROM busybox\nRUN dd if=/dev/zero of=/c bs=1M count=4 2>/dev/null\n' }));
  assert.match(again, /CACHED/, 'the newest stayed');
});

function sizes({ stdout }: { stdout: string }): number {
  const units: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };
  return stdout.split('\n').reduce((sum, line) => {
    const match = /^([\d.]+)(B|kB|MB|GB)$/.exec(line);
    return sum + (match === null ? 0 : Number(match[1]) * (units[match[2] ?? 'B'] ?? 1));
  }, 0);
}
