/** Builds by our own command line: mounts, outputs, contexts, cache. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { buildRig, needsRoot } from './rig.ts';

const rig = buildRig();
const out = mkdtempSync(join(tmpdir(), 'gantry-out-'));
after(() => rmSync(out, { recursive: true }));

/** Steps that were found in the cache, and those that were run, by name. */
async function build(folder: string, ...args: string[]): Promise<{ cached: string[]; ran: string[]; stderr: string }> {
  const { code, stderr } = await rig.gantry('build', '--progress=rawjson', ...args, folder);
  assert.equal(code, 0, stderr);
  const found = new Map<string, boolean>();
  for (const line of stderr.split('\n').filter((text) => text.startsWith('{'))) {
    const { vertexes = [] } = JSON.parse(line) as { vertexes?: { name: string; cached?: boolean; completed?: string }[] };
    for (const { name, cached, completed } of vertexes) if (completed !== undefined) found.set(name, cached === true);
  }
  const named = (cached: boolean): string[] => [...found].filter(([name, was]) => was === cached && /^\[[^i]/.test(name)).map(([name]) => name.replace(/^\[.*?\] /, ''));
  return { cached: named(true), ran: named(false), stderr };
}

test('mounts of every kind, and nothing of them in the layer', needsRoot, async () => {
  const folder = rig.context({
    'in.txt': 'from the context\n',
    token: 'sesame\n',
    Dockerfile: [
      'FROM busybox AS base', 'RUN echo base > /base.txt', 'FROM busybox',
      'RUN --mount=type=bind,target=/ctx --mount=type=bind,from=base,source=/base.txt,target=/b.txt --mount=type=tmpfs,target=/t \\',
      '    --mount=type=cache,target=/var/cache/mine --mount=type=secret,id=token,target=/deep/er/token,mode=0444,uid=7 \\',
      '    cat /ctx/in.txt /b.txt /deep/er/token > /seen && ls -ln /deep/er/token | grep -q " 7 " && touch /var/cache/mine/kept /t/gone && ! touch /ctx/no 2>/dev/null',
      'RUN --mount=type=cache,target=/var/cache/mine ls /var/cache/mine > /kept', 'RUN --network=none ! ip addr | grep -q eth0',
    ].join('\n'),
  });
  await build(folder, '--secret', `id=token,src=${folder}/token`, '-t', 'mounts');
  assert.equal((await rig.docker('run', '--rm', 'mounts', 'cat', '/seen', '/kept')).stdout, 'from the context\nbase\nsesame\nkept\n');
  const left = (await rig.docker('run', '--rm', 'mounts', 'ls', '-d', '/ctx', '/b.txt', '/t', '/deep', '/var/cache/mine')).stdout;
  assert.equal(left, '');
});

test('an unchanged file hits although its context changed, and what was built upon it too', needsRoot, async () => {
  const folder = rig.context({ a: 'a', b: 'b', Dockerfile: 'FROM busybox\nCOPY a /a\nRUN echo one\nCOPY b /b\nRUN echo two\n' });
  assert.deepEqual((await build(folder)).ran, ['COPY a /a', 'RUN echo one', 'COPY b /b', 'RUN echo two']);
  writeFileSync(join(folder, 'b'), 'B');
  const second = await build(folder);
  assert.deepEqual(second.ran, ['COPY b /b', 'RUN echo two']);
  writeFileSync(join(folder, 'a'), 'a');
  assert.deepEqual((await build(folder)).ran, [], 'the same content with another time');
  assert.deepEqual((await build(folder, '--no-cache')).ran.length, 4);
});

test('--no-cache-filter builds one stage anew, and what is made from its files only when these changed', needsRoot, async () => {
  const folder = rig.context({ Dockerfile: 'FROM busybox AS a\nRUN echo same > /f\nFROM busybox AS b\nCOPY --from=a /f /f\nRUN cat /f\n' });
  await build(folder);
  const again = await build(folder, '--no-cache-filter=a');
  assert.deepEqual(again.ran, ['RUN echo same > /f']);
});

test('of many files one that changed is sent, and only what the build reads', needsRoot, async () => {
  const files = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`src/d${index % 20}/f${index}`, `file ${index}\n`]));
  const folder = rig.context({ ...files, 'other/big': 'x'.repeat(100_000), Dockerfile: 'FROM busybox\nCOPY src /src\nRUN find /src -type f | wc -l > /count\n' });
  await build(folder, '-t', 'many');
  assert.equal((await rig.docker('run', '--rm', 'many', 'cat', '/count')).stdout, '500\n');
  const contexts = join(rig.engine.root, 'cache', 'layers');
  const kept = (name: string): string[] => readdirDeep(contexts).filter((path) => path.endsWith(name));
  assert.deepEqual(kept('other/big'), [], 'what no step reads is not sent');
  const inodes = (): number[] => kept('src/d1/f1').map((path) => statSync(path).ino);
  const before = inodes();
  writeFileSync(join(folder, 'src/d2/f2'), 'changed\n');
  rmSync(join(folder, 'src/d3/f3'));
  await build(folder, '-t', 'many');
  assert.equal((await rig.docker('run', '--rm', 'many', 'sh', '-c', 'cat /src/d2/f2 /count; ls /src/d3/f3')).stdout, 'changed\n499\n');
  assert.ok(inodes().every((inode) => before.includes(inode)), 'unchanged files were not sent again');
});

test('outputs: a folder, a tar, an image archive, several at once; the id and the metadata in files', needsRoot, async () => {
  const folder = rig.context({ Dockerfile: 'FROM busybox AS make\nRUN mkdir /out && echo made > /out/f && ln -s /etc/passwd /out/link\nFROM scratch\nCOPY --from=make /out /\n' });
  await build(folder, '-o', join(out, 'tree'), '-o', `type=tar,dest=${out}/tree.tar`, '-o', `type=oci,dest=${out}/image.tar`, '--iidfile', join(out, 'iid'), '--metadata-file', join(out, 'metadata'), '-t', 'named:here');
  assert.equal(readFileSync(join(out, 'tree/f'), 'utf8'), 'made\n');
  assert.ok(existsSync(join(out, 'tree.tar')));
  const id = readFileSync(join(out, 'iid'), 'utf8');
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  assert.equal((JSON.parse(readFileSync(join(out, 'metadata'), 'utf8')) as Record<string, string>)['containerimage.config.digest'], id);
  const loaded = await rig.docker('load', '-i', join(out, 'image.tar'));
  assert.match(loaded.stdout, /named:here/);
});

test('a build that only found what was there gives the same image; SOURCE_DATE_EPOCH gives it on any day', needsRoot, async () => {
  const folder = rig.context({ a: 'x', Dockerfile: 'FROM busybox\nCOPY a /a\nRUN true\nENV A=b\n' });
  const id = async (...args: string[]): Promise<string> => (await rig.gantry('build', '-q', ...args, folder)).stdout;
  assert.equal(await id(), await id());
});

test('hostile contexts and Dockerfiles stay inside, and their harmless twins work', needsRoot, async () => {
  const secret = join(out, 'host-secret');
  writeFileSync(secret, 'of the host\n');
  const folder = rig.context({ Dockerfile: 'FROM busybox\nCOPY link /copied\nRUN cat /copied\n', 'real': 'mine\n' });
  symlinkSync(secret, join(folder, 'link'));
  const { code, stderr } = await rig.gantry('build', '--progress=plain', folder);
  assert.notEqual(code, 0);
  assert.doesNotMatch(stderr, /of the host/);
  const twin = rig.context({ Dockerfile: 'FROM busybox\nCOPY link /copied\nRUN grep -q mine /copied\n', real: 'mine\n' });
  symlinkSync('real', join(twin, 'link'));
  await build(twin);
  // A working folder through a leaked descriptor (CVE-2024-21626).
  const leak = await rig.gantry('build', '--progress=plain', rig.context({ Dockerfile: 'FROM busybox\nWORKDIR /proc/self/fd/7\nRUN cat ../../../etc/hostname\n' }));
  assert.notEqual(leak.code, 0);
  await build(rig.context({ Dockerfile: 'FROM busybox\nWORKDIR /some/where/new\nRUN test "$(pwd)" = /some/where/new\n' }));
  // A mount whose source leads out (CVE-2024-23651, -23652).
  const mount = await rig.gantry('build', '--progress=plain', rig.context({
    Dockerfile: `FROM busybox AS evil\nRUN mkdir /d && ln -s ${out} /d/l && ln -s / /root-link\nFROM busybox\nRUN --mount=type=bind,from=evil,source=/d/l,target=/m cat /m/host-secret\n`,
  }));
  assert.notEqual(mount.code, 0);
  assert.doesNotMatch(mount.stderr, /of the host/);
  await build(rig.context({ Dockerfile: 'FROM busybox AS good\nRUN mkdir -p /d/real && echo fine > /d/real/f && ln -s real /d/l\nFROM busybox\nRUN --mount=type=bind,from=good,source=/d/l,target=/m grep -q fine /m/f\n' }));
  // Stubs of mounts lead nowhere when the step replaces them by links (CVE-2024-23652).
  const stub = join(out, 'must-stay');
  writeFileSync(stub, '');
  await rig.gantry('build', rig.context({ Dockerfile: `FROM busybox\nRUN --mount=type=tmpfs,target=/a/b/c true\nRUN --mount=type=tmpfs,target=${out}/x/y rm -rf ${out}/x 2>/dev/null; true\n` }));
  assert.ok(existsSync(stub));
});

function readdirDeep(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).map((path) => join(folder, path));
}
