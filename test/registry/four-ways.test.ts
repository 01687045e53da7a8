/** One script against a real registry that lets in everyone, by TLS, by password and by token; with docker's CLI and with ours. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createDockerCli, type CliResult } from '../clients/docker-cli.ts';
import { archive } from '../image/workshop.ts';
import { startEngine, type TestEngine } from '../rig.ts';
import { needsRegistry, startRegistry, user, type RealRegistry, type SetUp } from './real-registry.ts';

const gantry = new URL('../../gantry', import.meta.url).pathname;
const hasSkopeo = spawnSync('skopeo', ['--version']).error === undefined;
let engine: TestEngine;

before(async () => {
  if (needsRegistry.skip !== false) return;
  engine = await startEngine();
});
after(async () => {
  if (needsRegistry.skip === false) await engine.stop();
});

for (const setUp of ['plain', 'tls', 'basic', 'token'] as const satisfies readonly SetUp[]) {
  describe(`a ${setUp} registry`, needsRegistry, () => {
    let registry: RealRegistry;
    before(async () => void (registry = await startRegistry(setUp)));
    after(() => registry.stop());
    for (const program of ['docker', gantry]) {
      test(`with ${program === 'docker' ? "docker's CLI" : 'ours'}`, () => script(setUp, registry, program));
    }
  });
}

async function script(setUp: SetUp, registry: RealRegistry, program: string): Promise<void> {
  const cli = createDockerCli(engine.url, program);
  const folder = mkdtempSync(join(tmpdir(), 'gantry-config-'));
  const run = (args: string[], input?: string): Promise<CliResult> => cli(args, { env: { DOCKER_CONFIG: folder }, ...(input === undefined ? {} : { input }) });
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  };
  const refused = async (expected: RegExp, ...args: string[]): Promise<void> => {
    const { code, stdout, stderr } = await run(args);
    assert.notEqual(code, 0, `${args.join(' ')} succeeded: ${stdout}`);
    assert.match(stderr, expected, args.join(' '));
  };
  const word = program === 'docker' ? 'd' : 'g';
  const base = `gantry-test/${word}-${setUp}:1`;
  const guarded = setUp === 'basic' || setUp === 'token';
  const one = `${registry.host}/${word}/one:1`;
  const two = `${registry.host}/${word}/two:latest`;
  // The token server lives in this process: it must not be blocked.
  const skopeo = async (...args: string[]): Promise<string> => (await promisify(execFile)('skopeo', [args[0]!, ...(args[0] === 'copy' ? twice(registry.skopeo) : registry.skopeo), ...args.slice(1)])).stdout;

  try {
    const links = ['sh', 'echo', 'true'].map((name) => ({ name: `bin/${name}`, type: 'symlink' as const, linkName: 'busybox' }));
    // Nobody else has this layer: it must be pushed.
    writeFileSync(join(folder, 'base.tar'), archive({ name: 'bin/busybox', mode: 0o755, content: readFileSync('/bin/busybox') }, ...links, { name: 'marker', content: base }));
    await ok('import', join(folder, 'base.tar'), base);
    await ok('tag', base, one);
    if (guarded) {
      await refused(setUp === 'basic' ? /no basic auth credentials/ : /unauthorized: incorrect username or password|authentication required|pull access denied/, 'pull', one);
      await refused(/no basic auth credentials|unauthorized/, 'push', one);
      const wrong = await run(['login', '-u', user.name, '--password-stdin', registry.host], 'wrong\n');
      assert.notEqual(wrong.code, 0);
      assert.match(wrong.stderr, /unauthorized|401 Unauthorized/i);
      const right = await run(['login', '-u', user.name, '--password-stdin', registry.host], user.password);
      assert.equal(right.code, 0, right.stderr);
      assert.match(right.stdout, /Login Succeeded/);
      if (setUp === 'token') assert.ok(registry.asked.some(({ user: name }) => name === user.name));
    }
    await refused(/manifest for .* not found: manifest unknown/, 'pull', `${registry.host}/nothing:1`);
    await refused(/An image does not exist locally with the tag/, 'push', `${registry.host}/nothing`);

    // Push, and again, and from another repository.
    const pushed = await ok('push', one);
    assert.match(pushed, /: Pushed\n/);
    const digest = /1: digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(pushed)?.[1];
    assert.ok(digest !== undefined, pushed);
    assert.match(await ok('push', one), /: Layer already exists\n/);
    await ok('tag', one, two);
    assert.match(await ok('push', two), new RegExp(`: Mounted from ${word}/one\n`));
    if (hasSkopeo) assert.equal((JSON.parse(await skopeo('inspect', `docker://${two}`)) as { Digest: string }).Digest, digest);

    // Back again, by tag, by digest, and all tags.
    await ok('rmi', one, two, base);
    const pulled = await ok('pull', one);
    assert.match(pulled, new RegExp(`^1: Pulling from ${word}/one\n[0-9a-f]{12}: Pulling fs layer\n(?:.*\n)*[0-9a-f]{12}: Pull complete\nDigest: ${digest}\nStatus: Downloaded newer image for ${one}\n${one}\n$`));
    assert.match(await ok('pull', one), new RegExp(`Digest: ${digest}\nStatus: Image is up to date for ${one}\n`));
    const byDigest = one.replace(/:1$/, `@${digest}`);
    assert.match(await ok('pull', byDigest), new RegExp(`${digest}: Pulling from ${word}/one\nDigest: ${digest}\nStatus: Image is up to date for ${byDigest}\n`));
    await ok('tag', one, `${registry.host}/${word}/one:2`);
    await ok('push', '-a', `${registry.host}/${word}/one`);
    await ok('rmi', '-f', one, `${registry.host}/${word}/one:2`);
    await ok('pull', '-a', '-q', `${registry.host}/${word}/one`);
    assert.equal((await ok('images', '-q', `${registry.host}/${word}/one`)).trim().split('\n').length, 2);

    // Runs with what is not here, and with a fresh look.
    await ok('rmi', '-f', one, `${registry.host}/${word}/one:2`);
    const missing = await run(['run', '--rm', '--network', 'none', one, 'echo', 'hello']);
    assert.equal(missing.stdout, 'hello\n');
    assert.match(missing.stderr, new RegExp(`^Unable to find image '${one}' locally\n1: Pulling from ${word}/one\n`));
    const always = await run(['run', '--rm', '--network', 'none', '--pull', 'always', one, 'echo', 'again']);
    assert.equal(always.stdout, 'again\n');
    assert.match(always.stderr, new RegExp(`^1: Pulling from ${word}/one\nDigest: `));
    await refused(/No such image/, 'run', '--rm', '--pull', 'never', `${registry.host}/absent:1`, 'true');

    // What was committed here is compressed, and looks the same to others.
    await ok('create', '--name', 'made', one, 'sh');
    await ok('cp', gantry, 'made:/new');
    await ok('commit', 'made', `${registry.host}/${word}/made:1`);
    await ok('rm', 'made');
    const made = /digest: (sha256:[0-9a-f]{64})/.exec(await ok('push', `${registry.host}/${word}/made:1`))?.[1];
    assert.equal(/digest: (sha256:[0-9a-f]{64})/.exec(await ok('push', `${registry.host}/${word}/made:1`))?.[1], made);
    const id = (await ok('inspect', '-f', '{{.Id}}', `${registry.host}/${word}/made:1`)).trim();
    await ok('rmi', `${registry.host}/${word}/made:1`);
    await ok('pull', '-q', `${registry.host}/${word}/made:1`);
    assert.equal((await ok('inspect', '-f', '{{.Id}}', `${registry.host}/${word}/made:1`)).trim(), id);
    if (hasSkopeo) {
      const copy = `${registry.host}/${word}/copy:1`;
      await skopeo('copy', `docker://${registry.host}/${word}/made:1`, `docker://${copy}`);
      assert.match(await ok('pull', copy), new RegExp(`Digest: ${made}\n`));
      await ok('rmi', copy);
    }
    await ok('rmi', '-f', `${registry.host}/${word}/made:1`);
    if (guarded) {
      await ok('logout', registry.host);
      await refused(/no basic auth credentials|unauthorized|denied/, 'pull', `${registry.host}/${word}/two`);
    }
    await ok('rmi', one);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const twice = (args: string[]): string[] =>
  args.flatMap((arg, index) => (arg === '--creds' ? ['--src-creds', args[index + 1]!, '--dest-creds', args[index + 1]!] : args[index - 1] === '--creds' ? [] : [arg.replace('--tls', '--src-tls'), arg.replace('--tls', '--dest-tls')]));
