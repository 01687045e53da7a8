import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cli } from '../command/cli.ts';
import { globalFlags, type GlobalFlags } from '../command/global-flags.ts';
import { parseFlags } from '../command/parse.ts';
import { completeLine } from './complete.ts';

/** The candidates for the last word, without their descriptions. The engine named is one that nobody runs. */
async function complete(...words: string[]): Promise<string[]> {
  const globals = parseFlags(globalFlags, ['-H', 'unix:///no/such/socket'], { stopAtFirstArg: true }).values as unknown as GlobalFlags;
  const cli = new Cli({ program: 'gantry', globals });
  let shown = '';
  cli.out.write = (data) => {
    shown += data.toString();
  };
  assert.equal(await completeLine(cli, words), 0);
  return shown.split('\n').filter(Boolean).map((line) => line.split('\t')[0] ?? '');
}

test('commands, also below a group and after global flags', async () => {
  assert.deepEqual(await complete('re'), ['rename', 'restart']);
  assert.deepEqual(await complete('volume', 'p'), ['prune']);
  assert.deepEqual(await complete('--debug', '-H', 'unix:///x', 'ps', '--fo'), ['--format']);
});

test('flags and their values', async () => {
  assert.deepEqual(await complete('run', '--rest'), ['--restart']);
  assert.deepEqual(await complete('run', '--restart', 'a'), ['always']);
  assert.deepEqual(await complete('run', '--restart=un'), ['--restart=unless-stopped']);
  assert.deepEqual(await complete('run', '-it', '--pull', ''), ['always', 'missing', 'never']);
  assert.deepEqual(await complete('load', '-i', ''), [':files']);
});

test('nothing after the image: the words belong to the container', async () => {
  assert.deepEqual(await complete('run', 'busybox', '--r'), []);
});

test('an engine that is down completes nothing, and no fault is shown', async () => {
  assert.deepEqual(await complete('exec', ''), []);
});
