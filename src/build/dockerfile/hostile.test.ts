/** Files made to do harm: each is refused in one sentence and soon, and its harmless twin compiles. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileDockerfile } from './compile/compile.ts';
import { fakeRequest } from './compile/request.fake.ts';
import { parseGitReference } from '#spec/git-reference.ts';

const many = (count: number, line: (index: number) => string): string => Array.from({ length: count }, (_, index) => line(index)).join('\n');

async function refuses(text: string, message: RegExp): Promise<void> {
  const began = performance.now();
  await assert.rejects(compileDockerfile(fakeRequest(text)), (error: Error) => {
    assert.match(error.message, message);
    assert.ok(error.message.length < 1000, 'one sentence');
    return true;
  });
  assert.ok(performance.now() - began < 60_000, 'not for ever');
}

const compiles = (text: string): Promise<unknown> => compileDockerfile(fakeRequest(text));

test('more instructions, stages and bytes than anyone writes', async () => {
  await refuses(`FROM busybox\n${'RUN true\n'.repeat(30_000)}`, /more than 20000 instructions/);
  await refuses(many(3000, () => 'FROM busybox'), /more than 2000 stages and images/);
  await refuses(`FROM busybox\n${many(3000, (index) => `COPY --from=image${index} /a /b`)}`, /more than 2000 stages and images/);
  await refuses(`FROM busybox\n# ${'x'.repeat(5 << 20)}`, /larger than 4194304 bytes/);
  await compiles(many(300, (index) => `FROM ${index === 0 ? 'busybox' : `s${index - 1}`} AS s${index}\nRUN true`));
});

test('text that grows by itself', async () => {
  await refuses(`FROM busybox\nENV A=${'x'.repeat(60_000)}\n${many(5000, () => 'RUN true')}`, /expands to more than 128 MiB/);
  await refuses(`FROM busybox\nENV A=${'x'.repeat(60_000)}\n${many(5000, (index) => `LABEL l${index}=$A`)}`, /expands to more than 128 MiB/);
  await refuses(`FROM busybox\n${many(1000, () => 'EXPOSE 1-65535 1-65535/udp')}`, /EXPOSE names 131070 ports|expands to more than/);
  await refuses(`FROM busybox\n${many(1000, () => 'EXPOSE 1-65535')}`, /expands to more than 128 MiB/);
  await compiles(`FROM busybox\nENV A=${'x'.repeat(60_000)}\n${many(100, () => 'RUN true')}\nEXPOSE 1-1000`);
});

test('patterns that would take for ever', async () => {
  await refuses(`FROM busybox\nENV V=${'a'.repeat(50_000)}\nENV W=\${V//a${'*a'.repeat(20)}b/x}`, /the pattern substitution takes too long/);
  await compiles(`FROM busybox\nENV V=${'a/'.repeat(20_000)}\nENV W=\${V//\\//-} X=\${V##*/*/b}`);
  await compileDockerfile(fakeRequest(`FROM busybox\nCOPY ${'a'.repeat(4000)} /x`, { ignoreText: `${'*a'.repeat(500)}b\n` }));
});

test('undefined names beside thousands of others', async () => {
  await compiles(`FROM busybox\nENV ${many(2000, (index) => `NAME_${index}=x`).replaceAll('\n', ' ')}\n${many(2000, (index) => `LABEL a=$NAMES_${index}`)}`);
});

test('names that lead elsewhere stay names', async () => {
  const { graph } = await compileDockerfile(fakeRequest('FROM busybox\nCOPY <<../../etc/shadow /x\nx\n../../etc/shadow\nADD https://example.com/..%2f..%2fetc%2fpasswd /y\nADD https://example.com/%2e%2e /z\n'));
  const texts = [...graph.vertices.values()].map(({ op }) => JSON.stringify(op));
  for (const text of texts) assert.doesNotMatch(text, /"[^"]*\.\.\/[^"]*"(?!,"attributes)/);
  assert.equal(texts.filter((text) => text.includes('"http.filename":"__unnamed__"')).length, 2);
});

test('git references that are more than references', () => {
  for (const bad of ['https://h/a.git#--upload-pack=x', 'https://h/a.git#main:../x', 'https://h/a.git#main:x/../../y', 'https://h/a.git?evil=1']) {
    assert.throws(() => parseGitReference(bad), /invalid git ref|leaves the repository|unexpected query/, bad);
  }
  assert.equal(parseGitReference('--upload-pack=x@h:y.git'), undefined);
  assert.equal(parseGitReference('https://h/a.git#main:..x/y')?.subdirectory, '..x/y');
  assert.equal(parseGitReference('https://h/a'), undefined);
  assert.equal(parseGitReference('git@h:a/b.git#v1')?.ref, 'v1');
});
