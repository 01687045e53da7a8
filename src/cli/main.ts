import { Cli } from './command/cli.ts';
import { CliError, type Command, type Group, type Leaf, type Node } from './command/command.ts';
import { errorText } from './command/error-text.ts';
import { globalFlags, type GlobalFlags } from './command/global-flags.ts';
import { FlagError, parseFlags, type Parsed } from './command/parse.ts';
import { aliasesOf, nodes } from './registry.ts';

const program = 'gantry';
const about = 'Runs containers, as docker does: faster, crash-proof, without a daemon to fear for';

/** Runs one command line (without node and script) and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const parsed = await parseGlobal(argv);
  if (typeof parsed === 'number') return parsed;
  const cli = new Cli({ program, globals: parsed.values as unknown as GlobalFlags });
  const { args } = parsed;
  if (parsed.shortHelp) cli.err.line('Flag shorthand -h has been deprecated, use --help');
  if (cli.globals.version) return printVersion(cli);
  if (parsed.help || args.length === 0) return showProgramHelp(cli);
  const [first = '', ...rest] = args;
  if (first === '__complete') {
    const { completeLine } = await import('./shell/complete.ts');
    return completeLine(cli, rest);
  }
  if (first === 'help') return helpFor(cli, rest);
  return dispatch(cli, nodes, [program], args);
}

async function parseGlobal(argv: readonly string[]): Promise<Parsed | number> {
  try {
    return parseFlags(globalFlags, argv, { stopAtFirstArg: true });
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    process.stderr.write(`${error.message}\n\nUsage:  ${program} [OPTIONS] COMMAND [ARG...]\n\nRun '${program} --help' for more information\n`);
    return 125;
  }
}

async function dispatch(cli: Cli, among: readonly Node[], path: readonly string[], args: readonly string[]): Promise<number> {
  const [name = '', ...rest] = args;
  const node = among.find((candidate) => candidate.name === name || candidate.aliases.includes(name));
  if (!node) return unknownCommand(cli, among, path, name);
  const here = [...path, name];
  if (node.kind === 'command') return runLeaf(cli, node, here, rest);
  return runGroup(cli, node, here, rest);
}

async function runGroup(cli: Cli, group: Group, path: readonly string[], args: readonly string[]): Promise<number> {
  const [next] = args;
  if (next !== undefined && !next.startsWith('-')) return dispatch(cli, group.children, path, args);
  const { groupHelp } = await import('./command/help.ts');
  let asked = false;
  try {
    asked = parseFlags({}, args, { stopAtFirstArg: true }).help;
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    cli.err.line(`${error.message}\n\nUsage:  ${path.join(' ')} COMMAND\n\nRun '${path.join(' ')} --help' for more information`);
    return 125;
  }
  (asked ? cli.out : cli.err).write(groupHelp(path, group));
  return 0;
}

async function runLeaf(cli: Cli, leaf: Leaf, path: readonly string[], args: readonly string[]): Promise<number> {
  const command = await leaf.load();
  const usage = `Usage:  ${[...path, command.usage].filter((part) => part !== '').join(' ')}`;
  let parsed: Parsed;
  try {
    parsed = parseFlags(command.flags, command.anyFlags === true ? ['--', ...args] : args, { stopAtFirstArg: command.stopAtFirstArg ?? false });
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    cli.err.line(`${error.message}${await flagHint(error.message, command)}\n\n${usage}\n\nRun '${path.join(' ')} --help' for more information`);
    return 125;
  }
  if (parsed.help) {
    const { commandHelp } = await import('./command/help.ts');
    if (parsed.shortHelp) cli.err.line('Flag shorthand -h has been deprecated, use --help');
    cli.out.write(commandHelp(path, command, aliasesOf(leaf).map((alias) => `${program} ${alias}`), cli.out.size?.width ?? 80));
    return 0;
  }
  const wrong = arityFault(command, path, parsed.args.length);
  if (wrong !== undefined) {
    cli.err.line(`${program}: ${wrong.text}\n\n${usage}\n\n${wrong.see} '${path.join(' ')} --help' for more information`);
    return 1;
  }
  try {
    const code = await command.run({ cli, flags: parsed.values as never, given: parsed.given, args: parsed.args });
    return code ?? 0;
  } catch (error) {
    return report(cli, command, path, error);
  } finally {
    await cli.close();
  }
}

function arityFault(command: Command, path: readonly string[], count: number): { text: string; see: string } | undefined {
  const { min, max } = command.args;
  if (count >= min && (max === undefined || count <= max)) return undefined;
  const name = `'${path.join(' ')}'`;
  const plural = (n: number): string => `${n} argument${n === 1 ? '' : 's'}`;
  if (max === 0) return { text: `${name} accepts no arguments`, see: 'Run' };
  if (min === max) return { text: `${name} requires ${plural(min)}`, see: 'Run' };
  if (max === undefined) return { text: `${name} requires at least ${plural(min)}`, see: 'See' };
  if (min === 0) return { text: `${name} requires at most ${plural(max)}`, see: 'Run' };
  return { text: `${name} requires at least ${min} and at most ${plural(max)}`, see: 'Run' };
}

async function flagHint(message: string, command: Command): Promise<string> {
  const typed = /^unknown flag: --(.+)$/.exec(message)?.[1];
  if (typed === undefined) return '';
  const { suggest } = await import('./command/suggest.ts');
  const [close] = suggest(typed, Object.keys(command.flags));
  return close === undefined ? '' : ` (did you mean --${close}?)`;
}

/** Prints what went wrong and returns the exit code. */
function report(cli: Cli, command: Command, path: readonly string[], error: unknown): number {
  const message = errorText(error);
  const code = error instanceof CliError ? error.exitCode : command.strictErrors === true ? 125 : 1;
  if (message === '') return code;
  if (command.strictErrors !== true || (error instanceof CliError && error.exitCode === 1)) cli.err.line(message);
  else cli.err.line(`${program}: ${message}\n\nRun '${path.join(' ')} --help' for more information`);
  if (cli.globals.debug && error instanceof Error && error.stack !== undefined) cli.err.line(error.stack);
  return code;
}

async function unknownCommand(cli: Cli, among: readonly Node[], path: readonly string[], name: string): Promise<number> {
  const { suggest } = await import('./command/suggest.ts');
  const close = suggest(name, among.filter((node) => !node.hidden).map((node) => node.name));
  const top = path.length === 1;
  cli.err.line(
    [
      `${program}: unknown command: ${[...path, name].join(' ')}`,
      ...(close.length > 0 ? [`Did you mean this?\n${close.map((item) => `\t${item}`).join('\n')}`] : []),
      ...(top ? [] : [`Usage:  ${path.join(' ')}`]),
      `Run '${path.join(' ')} --help' for more information`,
    ].join('\n\n'),
  );
  return 1;
}

async function showProgramHelp(cli: Cli): Promise<number> {
  const { programHelp } = await import('./command/help.ts');
  cli.out.write(programHelp(program, about, nodes, cli.out.size?.width ?? 80));
  return 0;
}

async function helpFor(cli: Cli, words: readonly string[]): Promise<number> {
  if (words.length === 0) return showProgramHelp(cli);
  return dispatch(cli, nodes, [program], [...words, '--help']);
}

async function printVersion(cli: Cli): Promise<number> {
  const { clientVersion } = await import('./system/client-version.ts');
  const version = clientVersion();
  cli.out.line(`Gantry version ${version.version}, build ${version.commit}`);
  return 0;
}
