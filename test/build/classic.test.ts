/** Builds through POST /build by the docker CLI's classic builder. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cli, type Cli } from './rig.ts';

let engine: Cli;
const needsRoot = { skip: process.getuid?.() === 0 ? false : 'needs root: builds mount file systems' };

before(async () => {
  if (needsRoot.skip === false) engine = await cli();
});
after(async () => engine?.stop());

function context(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-context-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

test('a build runs its steps, keeps what they wrote, and finds everything again', needsRoot, async () => {
  const folder = context({ 'a.txt': 'hello\n', Dockerfile: 'FROM busybox\nRUN echo made > /made && rm /bin/vi\nCOPY a.txt /app/\nWORKDIR /app\nCMD ["cat","a.txt"]\n' });
  const first = await engine.run('build', '-t', 'classic:1', folder);
  assert.match(first.stdout, /Step 1\/5 : FROM busybox\n/);
  assert.match(first.stdout, /Successfully built [0-9a-f]{12}\nSuccessfully tagged classic:1\n$/);
  const id = (await engine.run('images', '-q', 'classic:1')).stdout;
  assert.equal((await engine.run('run', '--rm', 'classic:1')).stdout, 'hello\n');
  assert.equal((await engine.run('run', '--rm', 'classic:1', 'cat', '/made')).stdout, 'made\n');
  assert.equal((await engine.run('run', '--rm', 'classic:1', 'ls', '/bin/vi')).code, 1);
  const again = await engine.run('build', '-t', 'classic:2', folder);
  assert.equal(again.stdout.match(/---> Using cache/g)?.length, 4);
  assert.doesNotMatch(again.stdout, /Running in/);
  assert.equal((await engine.run('images', '-q', 'classic:2')).stdout, id, 'the same files give the same image');
  rmSync(folder, { recursive: true });
});

test('a step that fails ends the build with its exit code, and nothing is left', needsRoot, async () => {
  const folder = context({ Dockerfile: 'FROM busybox\nRUN echo before && exit 7\nRUN echo after\n' });
  const failed = await engine.run('build', folder);
  assert.equal(failed.code, 7);
  assert.match(failed.stderr, /The command '\/bin\/sh -c echo before && exit 7' returned a non-zero code: 7/);
  assert.doesNotMatch(failed.stdout, /RUN echo after/);
  rmSync(folder, { recursive: true });
});
