/** Builds through POST /build by docker's classic builder. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildRig, needsRoot } from './rig.ts';

const rig = buildRig();

test('a build runs its steps, keeps what they wrote, and finds everything again', needsRoot, async () => {
  const folder = rig.context({ 'a.txt': 'hello\n', Dockerfile: 'FROM busybox\nRUN echo made > /made && rm /bin/vi\nCOPY a.txt /app/\nWORKDIR /app\nCMD ["cat","a.txt"]\n' });
  const first = await rig.docker('build', '-t', 'classic:1', folder);
  assert.match(first.stdout, /Step 1\/5 : FROM busybox\n/);
  assert.match(first.stdout, /Successfully built [0-9a-f]{12}\nSuccessfully tagged classic:1\n$/);
  const id = (await rig.docker('images', '-q', 'classic:1')).stdout;
  assert.equal((await rig.docker('run', '--rm', 'classic:1')).stdout, 'hello\n');
  assert.equal((await rig.docker('run', '--rm', 'classic:1', 'cat', '/made')).stdout, 'made\n');
  assert.equal((await rig.docker('run', '--rm', 'classic:1', 'ls', '/bin/vi')).code, 1);
  const again = await rig.docker('build', '-t', 'classic:2', folder);
  assert.equal(again.stdout.match(/---> Using cache/g)?.length, 4);
  assert.doesNotMatch(again.stdout, /Running in/);
  assert.equal((await rig.docker('images', '-q', 'classic:2')).stdout, id, 'the same files give the same image');
});

test('a step that fails ends the build with its exit code', needsRoot, async () => {
  const folder = rig.context({ Dockerfile: 'FROM busybox\nRUN echo before && exit 7\nRUN echo after\n' });
  const failed = await rig.docker('build', folder);
  assert.equal(failed.code, 7);
  assert.match(failed.stderr, /The command '\/bin\/sh -c echo before && exit 7' returned a non-zero code: 7/);
  assert.doesNotMatch(failed.stdout, /RUN echo after/);
});

test('what Docker refuses is refused, before anything is sent back', needsRoot, async () => {
  const wrong = rig.context({ Dockerfile: 'FROM busybox\nFOO bar\n' });
  const unknown = await rig.docker('build', wrong);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /dockerfile parse error on line 2: unknown instruction: FOO/i);
  const missing = await rig.docker('build', '-f', `${wrong}/Other`, wrong);
  assert.match(missing.stderr, /unable to prepare context: unable to evaluate symlinks in Dockerfile path/);
  const base = await rig.docker('build', rig.context({ Dockerfile: 'FROM 127.0.0.1:1/nobody/nothing\n' }));
  assert.equal(base.code, 1);
  assert.match(base.stderr, /127\.0\.0\.1:1\/nobody\/nothing/);
  const file = await rig.docker('build', rig.context({ Dockerfile: 'FROM busybox\nCOPY nothing /\n' }));
  assert.match(file.stderr, /nothing.*not found|COPY failed/);
});

test('quiet builds print the id alone; arguments, labels, targets and hosts arrive', needsRoot, async () => {
  const folder = rig.context({
    Dockerfile: 'FROM busybox AS one\nARG WHO=nobody\nRUN echo "$WHO" > /who && grep -q "10.1.2.3.*there" /etc/hosts\nFROM one AS two\nRUN exit 9\n',
  });
  const built = await rig.docker('build', '-q', '--build-arg', 'WHO=me', '--label', 'a=b', '--target', 'one', '--add-host', 'there:10.1.2.3', '-t', 'args', folder);
  assert.match(built.stdout, /^sha256:[0-9a-f]{64}\n$/);
  assert.equal((await rig.docker('run', '--rm', 'args', 'cat', '/who')).stdout, 'me\n');
  assert.equal((await rig.docker('inspect', '-f', '{{index .Config.Labels "a"}}', 'args')).stdout, 'b\n');
});
