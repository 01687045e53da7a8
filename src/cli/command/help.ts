import type { Command, Group, Node } from './command.ts';
import type { Flag, FlagTable } from './flag.ts';
import { globalFlags } from './global-flags.ts';

/** `Usage:  gantry run [OPTIONS] IMAGE ...` */
export const usageLine = (path: readonly string[], usage: string): string => `Usage:  ${[...path, usage].filter((part) => part !== '').join(' ')}`;

export function commandHelp(path: readonly string[], command: Command, aliases: readonly string[], width: number): string {
  const parts = [usageLine(path, command.usage), command.short];
  if (command.long !== undefined) parts.push(command.long);
  if (aliases.length > 1) parts.push(`Aliases:\n  ${aliases.join(', ')}`);
  const options = flagHelp(command.flags, width);
  if (options !== '') parts.push(`Options:\n${options}`);
  return `${parts.join('\n\n')}\n`;
}

export function groupHelp(path: readonly string[], group: Group): string {
  const shown = group.children.filter((child) => !child.hidden);
  return `${usageLine(path, 'COMMAND')}\n\n${group.short}\n\nCommands:\n${columns(shown)}\n\nRun '${path.join(' ')} COMMAND --help' for more information on a command.\n`;
}

const common = ['run', 'exec', 'ps', 'pull', 'push', 'images', 'logs', 'version', 'info', 'doctor', 'quickstart'];

export function programHelp(program: string, about: string, nodes: readonly Node[], width: number): string {
  const shown = nodes.filter((node) => !node.hidden);
  const first = common.flatMap((name) => shown.filter((node) => node.name === name));
  const groups = shown.filter((node) => node.kind === 'group');
  const rest = shown.filter((node) => node.kind === 'command' && !common.includes(node.name));
  return [
    `Usage:  ${program} [OPTIONS] COMMAND`,
    about,
    `Common Commands:\n${columns(first)}`,
    `Management Commands:\n${columns(groups)}`,
    `Commands:\n${columns(rest)}`,
    `Global Options:\n${flagHelp(globalFlags, width)}`,
    `Run '${program} COMMAND --help' for more information on a command.\n`,
  ].join('\n\n');
}

function columns(nodes: readonly Node[]): string {
  const wide = Math.max(...nodes.map((node) => node.name.length), 11);
  return nodes.map((node) => `  ${node.name.padEnd(wide)} ${node.short}`).join('\n');
}

/** The options, sorted by name, wrapped to `width` columns. */
export function flagHelp(table: FlagTable, width: number): string {
  const rows = Object.entries(table as Readonly<Record<string, Flag<unknown>>>)
    .filter(([, flag]) => !flag.hidden)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, flag]) => ({
      left: `  ${flag.short === undefined ? '    ' : `-${flag.short}, `}--${name}${flag.word === '' ? '' : ` ${flag.word}`}`,
      text: flag.shownDefault === '' ? flag.help : `${flag.help} (default ${flag.shownDefault})`,
    }));
  const indent = Math.max(0, ...rows.map((row) => row.left.length)) + 3;
  return rows.map((row) => row.left.padEnd(indent) + wrapText(row.text, Math.max(24, width - indent)).join(`\n${' '.repeat(indent)}`)).join('\n');
}

function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
