import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command, Leaf, Node } from './command/command.ts';
import type { Flag } from './command/flag.ts';
import { commandHelp, flagHelp, groupHelp, programHelp } from './command/help.ts';
import { suggest } from './command/suggest.ts';
import { dockerFlags } from './docker-flags.fixture.ts';
import { aliasesOf, nodes } from './registry.ts';

function find(words: readonly string[], among: readonly Node[] = nodes): Leaf {
  const [name = '', ...rest] = words;
  const node = among.find((candidate) => candidate.name === name || candidate.aliases.includes(name));
  assert.ok(node, `there is no command ${words.join(' ')}`);
  return node.kind === 'command' ? node : find(rest, node.children);
}

const tableOf = (command: Command) => command.flags as unknown as Readonly<Record<string, Flag<unknown>>>;

for (const [name, wanted] of Object.entries(dockerFlags)) {
  test(`${name} has docker's flags`, async () => {
    const table = tableOf(await find(name.split(' ')).load());
    const missing = wanted.filter((flag) => {
      const [, short, long = '', sign] = /^(?:-(\w) )?--([\w-]+)(!)?$/.exec(flag) ?? [];
      const ours = table[long];
      return !ours || ours.short !== short || (ours.alone !== undefined) !== (sign === '!');
    });
    assert.deepEqual(missing, []);
  });
}

async function* leaves(among: readonly Node[] = nodes, path = ''): AsyncGenerator<{ path: string; leaf: Leaf; command: Command }> {
  for (const node of among) {
    if (node.kind === 'group') yield* leaves(node.children, `${path}${node.name} `);
    else yield { path: path + node.name, leaf: node, command: await node.load() };
  }
}

test('every command explains itself, and its letters are its own', async () => {
  for await (const { path, command } of leaves()) {
    const table = tableOf(command);
    assert.ok(command.short !== '', path);
    for (const [name, flag] of Object.entries(table)) assert.ok(flag.help !== '', `${path} --${name}`);
    const letters = Object.values(table).flatMap((flag) => flag.short ?? []);
    assert.equal(new Set(letters).size, letters.length, `${path} uses a letter twice`);
    assert.match(commandHelp(['gantry', path], command, [], 80), /^Usage: {2}gantry /);
  }
});

test('help fits the width', async () => {
  const command = await find(['run']).load();
  const lines = flagHelp(command.flags, 90).split('\n');
  assert.ok(lines.length > 90);
  assert.deepEqual(lines.filter((line) => line.length > 90), []);
  assert.match(programHelp('gantry', 'about', nodes, 80), /Common Commands:\n {2}run /);
  const volume = nodes.find((node) => node.name === 'volume');
  assert.ok(volume?.kind === 'group');
  assert.match(groupHelp(['gantry', 'volume'], volume), /Run 'gantry volume COMMAND --help'/);
});

test('a command knows its other names', () => {
  assert.deepEqual(aliasesOf(find(['ps'])), ['container ls', 'container list', 'container ps', 'ps']);
  assert.deepEqual(aliasesOf(find(['run'])), ['container run', 'run']);
});

test('close names are proposed', () => {
  const names = ['run', 'rm', 'rmi', 'restart', 'rename'];
  assert.deepEqual(suggest('rnu', names), ['run']);
  assert.deepEqual(suggest('restat', names), ['restart']);
  assert.deepEqual(suggest('completely', names), []);
});
