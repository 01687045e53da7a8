import type { BuildCase } from './case-file.ts';

/** The table of docs/building.md: every case in which Docker 26 does another thing, with the reason. */
export function renderDifferences(cases: readonly BuildCase[]): string {
  const rows = cases.flatMap(({ file, name, sections }) => {
    const differs = sections.get('differs');
    if (differs === undefined) return [];
    const [legacy, buildx] = ['legacy', 'buildx'].map((builder) =>
      differs.split('; ').map((part) => new RegExp(`^(?:${builder}|both): (.*)$`).exec(part)?.[1]).find((reason) => reason !== undefined) ?? '');
    return [`| ${file.replace('.cases', '')}: ${name} | ${cell(legacy)} | ${cell(buildx)} |`];
  });
  return ['| case | classic builder | BuildKit 0.13 |', '|---|---|---|', ...rows, ''].join('\n');
}

const cell = (text: string | undefined): string => (text ?? '').replaceAll('|', '\\|');
