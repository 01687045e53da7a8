import { cpus, release } from 'node:os';

const heading = '# Performance';
const introduction = `${heading}

Made by \`npm run bench -- --write\`, a section a topic; \`npm run bench -- TOPIC --write\` renews one.
Whole processes as a user starts them, medians of interleaved rounds; in brackets the ratio to Docker's figure in the same run.
For times less is better, for rates more.
`;

/** `docs/performance.md` with the sections of the topics that ran put in the place of their former ones, in order of their names. */
export function renewPage(former: string, made: ReadonlyMap<string, string>): string {
  const sections = new Map<string, string>();
  for (const part of former.split(/^(?=## )/m)) {
    const title = /^## (.+)\n/.exec(part)?.[1];
    if (title !== undefined) sections.set(title, part.trimEnd());
  }
  for (const [title, section] of made) sections.set(title, section.trimEnd());
  const sorted = [...sections].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, section]) => section);
  return `${[introduction.trimEnd(), ...sorted].join('\n\n')}\n`;
}

/** One topic's section. `versions` names the peers. */
export function section(title: string, versions: readonly string[], body: string): string {
  const day = new Date().toISOString().slice(0, 10);
  return `## ${title}\n\n${day}, ${cpus().length} cores, Linux ${release().split('-')[0]}${versions.length > 0 ? `, beside ${versions.join(' and ')}` : ''}.\n\n${body}\n`;
}
