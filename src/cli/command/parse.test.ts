import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as flag from './flag.ts';
import { FlagError, parseFlags } from './parse.ts';

const table = {
  all: flag.bool('', { short: 'a' }),
  detach: flag.bool('', { short: 'd' }),
  tty: flag.bool('', { short: 't' }),
  'sig-proxy': flag.bool('', { default: true }),
  name: flag.text('', { short: 'n' }),
  env: flag.list('', { short: 'e' }),
  last: flag.int('', { short: 'l', default: -1 }),
  filter: flag.filters('', { short: 'f' }),
  memory: flag.bytes('', { short: 'm' }),
  wait: flag.duration(''),
  label: flag.map(''),
  gateway: flag.csv(''),
  cpus: flag.cpus(''),
};

const parse = (argv: readonly string[], stopAtFirstArg = false) => parseFlags(table, argv, { stopAtFirstArg });

test('switches join, and the last of them may take a value', () => {
  const { values, args, given } = parse(['-adt', '-nfoo', '-e', 'A=b', '-e=C=d', 'rest']);
  assert.deepEqual([values['all'], values['detach'], values['tty'], values['name']], [true, true, true, 'foo']);
  assert.deepEqual(values['env'], ['A=b', 'C=d']);
  assert.deepEqual(args, ['rest']);
  assert.deepEqual([...given].sort(), ['all', 'detach', 'env', 'name', 'tty']);
});

test('a switch takes a value only after a sign', () => {
  assert.equal(parse(['--sig-proxy=false']).values['sig-proxy'], false);
  assert.deepEqual(parse(['--all', 'false']).args, ['false']);
});

test('flags mix with arguments, unless they end at the first', () => {
  assert.deepEqual(parse(['x', '-a', 'y']).args, ['x', 'y']);
  const stopped = parse(['-a', 'x', '-t', '--name', 'y'], true);
  assert.deepEqual(stopped.args, ['x', '-t', '--name', 'y']);
  assert.equal(stopped.values['tty'], false);
});

test('two dashes end the flags; one dash is an argument', () => {
  assert.deepEqual(parse(['-a', '--', '-t', '--x']).args, ['-t', '--x']);
  assert.deepEqual(parse(['-', '-a']).args, ['-']);
});

test('values are read as Go reads them', () => {
  const { values } = parse(['-m', '1.5g', '--wait', '1m30.5s', '--last=0x10', '--cpus', '.5', '--label', 'a=b=c', '--label', 'x', '--gateway', '1,2', '--gateway', '3']);
  assert.equal(values['memory'], 1.5 * 2 ** 30);
  assert.equal(values['wait'], 90.5e9);
  assert.equal(values['last'], 16);
  assert.equal(values['cpus'], 5e8);
  assert.deepEqual(values['label'], { a: 'b=c', x: '' });
  assert.deepEqual(values['gateway'], ['1', '2', '3']);
});

test('filters gather by key, each value once', () => {
  const { values } = parse(['-f', 'status=a', '-f', 'Status = b', '-f', 'status=a', '-f', '']);
  assert.deepEqual(values['filter'], { status: ['a', 'b'] });
});

test('help ends the reading', () => {
  assert.equal(parse(['--help', '--nonsense']).help, true);
  assert.equal(parse(['-h']).shortHelp, true);
  assert.equal(parse(['--help=false', 'x']).help, false);
});

for (const [argv, message] of [
  [['--nope'], 'unknown flag: --nope'],
  [['-ax'], "unknown shorthand flag: 'x' in -x"],
  [['-ay', '-t'], "unknown shorthand flag: 'y' in -y"],
  [['--name'], 'flag needs an argument: --name'],
  [['-an'], "flag needs an argument: 'n' in -n"],
  [['--=x'], 'bad flag syntax: --=x'],
  [['-l', 'x'], 'invalid argument "x" for "-l, --last" flag: strconv.ParseInt: parsing "x": invalid syntax'],
  [['--all=x'], 'invalid argument "x" for "-a, --all" flag: strconv.ParseBool: parsing "x": invalid syntax'],
  [['-m', '-5'], 'invalid argument "-5" for "-m, --memory" flag: invalid size: \'-5\''],
  [['--wait', '3'], 'invalid argument "3" for "--wait" flag: time: missing unit in duration "3"'],
  [['--wait', '1x'], 'invalid argument "1x" for "--wait" flag: time: unknown unit "x" in duration "1x"'],
  [['--cpus', 'x'], 'invalid argument "x" for "--cpus" flag: failed to parse x as a rational number'],
  [['--filter', 'x'], 'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)'],
  [['--help=x'], 'invalid argument "x" for "--help" flag: strconv.ParseBool: parsing "x": invalid syntax'],
] as const) {
  test(`refuses ${argv.join(' ')}`, () => assert.throws(() => parse(argv), new FlagError(message)));
}
