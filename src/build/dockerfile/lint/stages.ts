import type { From, Instruction, Of, Stage } from '../instructions/instruction.ts';
import type { Linter } from './linter.ts';

const isLower = (text: string): boolean => text === text.toLowerCase();
const isUpper = (text: string): boolean => text === text.toUpperCase();

/** Rules that look at the file as it is written, before anything is expanded. */
export function lintStages(stages: readonly Stage[], globalArgs: readonly Of<'arg'>[], lint: Linter): void {
  lintNames(stages, lint);
  lintCasing(stages, lint);
  for (const arg of globalArgs) lintDescription(arg, lint);
  for (const { from, commands } of stages) {
    lintDescription(from, lint);
    for (const command of commands) if (command.kind === 'arg') lintDescription(command, lint);
  }
}

function lintNames(stages: readonly Stage[], lint: Linter): void {
  const seen = new Set<string>();
  for (const { from } of stages) {
    if (from.name === undefined) continue;
    lintAs(from, from.name, lint);
    const name = from.name.toLowerCase();
    if (name === 'context' || name === 'scratch') lint.report('ReservedStageName', from.range, name);
    if (seen.has(name)) lint.report('DuplicateStageName', from.range, name);
    seen.add(name);
  }
}

function lintAs(from: From, name: string, lint: Linter): void {
  if (!isLower(name)) lint.report('StageNameCasing', from.range, name);
  const consistent = (isLower(from.keyword) || isUpper(from.keyword)) && (isLower(from.asKeyword) || isUpper(from.asKeyword));
  if (!consistent || isLower(from.keyword) !== isLower(from.asKeyword)) lint.report('FromAsCasing', from.range, from.keyword, from.asKeyword);
}

function lintCasing(stages: readonly Stage[], lint: Linter): void {
  const all: Instruction[] = stages.flatMap(({ from, commands }) => [from, ...commands]);
  const lower = all.filter(({ keyword }) => isLower(keyword)).length;
  const upper = all.filter(({ keyword }) => isUpper(keyword)).length;
  for (const { keyword, range } of all) {
    const wrong = lower > upper ? !isLower(keyword) : !isUpper(keyword);
    if (wrong) lint.report('ConsistentInstructionCasing', range, keyword, lower > upper ? 'lowercase' : 'uppercase');
  }
}

/** A comment right above a stage or an ARG describes it when it begins with its name. */
function lintDescription(instruction: From | Of<'arg'>, lint: Linter): void {
  const { comments, range } = instruction;
  if (comments.length === 0) return;
  const names = instruction.kind === 'from' ? [instruction.name ?? ''] : instruction.args.map(({ key }) => key);
  const [name = ''] = names;
  if (name === '' || names.some((known) => comments[0]?.startsWith(`${known} `) === true)) return;
  lint.report('InvalidDefinitionDescription', range, instruction.kind === 'from' ? 'FROM' : 'ARG', name);
}
