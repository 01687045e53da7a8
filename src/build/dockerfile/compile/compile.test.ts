import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rangesOf } from '../failure.ts';
import { compileDockerfile } from './compile.ts';
import { fakeRequest } from './request.fake.ts';

test('a stage becomes a chain of vertices with a configuration and its history', async () => {
  const { graph, platforms, contextPaths } = await compileDockerfile(fakeRequest('FROM busybox\nENV A=1\nCOPY a b /x/\nRUN echo $A\nCMD ["sh"]\n'));
  const names = [...graph.vertices.values()].map(({ meta }) => meta.name);
  assert.deepEqual(names.toSorted(), ['[1/3] FROM docker.io/library/busybox:latest', '[2/3] COPY a b /x/', '[3/3] RUN echo 1', '[internal] load build context']);
  assert.deepEqual(contextPaths, ['a', 'b']);
  const [result] = platforms;
  assert.equal(graph.vertices.get(result?.output?.vertex as never)?.op.kind, 'exec');
  assert.deepEqual(result?.config.history?.slice(1).map(({ created_by }) => created_by), ['ENV A=1', 'COPY a b /x/ # buildkit', 'RUN /bin/sh -c echo $A # buildkit', 'CMD ["sh"]']);
  for (const { inputs } of graph.vertices.values()) for (const input of inputs) assert.ok(graph.vertices.has(input.vertex));
});

test('errors name their lines', async () => {
  await assert.rejects(compileDockerfile(fakeRequest('FROM busybox\n\nRUN --mont=x true\n')), (error: Error) => {
    assert.equal(error.message, 'dockerfile parse error on line 3: unknown flag: mont (did you mean mount?)');
    assert.deepEqual(rangesOf(error), [{ start: 3, end: 3 }]);
    return true;
  });
});

test('ten thousand instructions compile', async () => {
  const { graph } = await compileDockerfile(fakeRequest(`FROM busybox\n${'RUN true\nENV A=b\n'.repeat(5000)}`));
  assert.equal(graph.vertices.size, 5001);
});

test('variables cannot grow without end', async () => {
  const doubling = Array.from({ length: 40 }, () => 'ENV A=$A$A').join('\n');
  await assert.rejects(compileDockerfile(fakeRequest(`FROM busybox\nENV A=xxxxxxxxxx\n${doubling}\n`)), /the expanded text is longer than 1 MiB/);
  const nested = `${'${A:-'.repeat(5000)}x${'}'.repeat(5000)}`;
  await assert.rejects(compileDockerfile(fakeRequest(`FROM busybox\nENV B=${nested}\n`)), /variables are nested too deeply/);
});

test('build arguments that nothing declares are named', async () => {
  const buildArgs = { foo: '1', bar: '2', HTTP_PROXY: 'x', BUILDKIT_INLINE_CACHE: '1', X: '1', G: '2' };
  const { unusedArgs } = await compileDockerfile(fakeRequest('ARG G\nFROM busybox\nARG X\n', { buildArgs }));
  assert.deepEqual(unusedArgs, ['bar', 'foo']);
});

test('a check sees stages that nobody needs', async () => {
  const text = 'FROM busybox AS unused\nCMD a\nFROM busybox\nRUN true\n';
  const built = await compileDockerfile(fakeRequest(text));
  const checked = await compileDockerfile(fakeRequest(text, { allStages: true }));
  const oneTarget = await compileDockerfile(fakeRequest(`${text}FROM busybox AS last\n`, { allStages: true, target: 'last' }));
  assert.deepEqual([built, checked, oneTarget].map(({ warnings }) => warnings.map(({ rule }) => rule)), [[], ['JSONArgsRecommended'], []]);
});

test('a long compilation lets others run meanwhile', async () => {
  let turns = 0;
  let over = false;
  const turn = (): void => {
    turns++;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  await compileDockerfile(fakeRequest(`FROM busybox\n${'RUN true\nENV A=b\n'.repeat(5000)}`));
  over = true;
  assert.ok(turns > 5, `${turns} turns`);
});
