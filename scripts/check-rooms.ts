/**
 * Plants one forbidden import in every room, in a copy of the sources, and demands that the compiler refuses each: a check
 * that reads nothing would pass too. Imports that are allowed are planted beside them and must compile.
 */
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync, existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const copy = mkdtempSync(join(tmpdir(), 'gantry-rooms-'));

/** Who may import whom; the same as the table in docs/architecture.md. */
const allowed: Record<string, string[]> = {
  base: [],
  spec: ['base'],
  host: ['base', 'spec'],
  image: ['base', 'spec', 'host'],
  network: ['base', 'spec', 'host'],
  engine: ['base', 'spec', 'host', 'image', 'network'],
  build: ['base', 'spec', 'host', 'image'],
  api: ['base', 'spec'],
  cli: ['base', 'spec', 'api'],
};
const rooms = readdirSync(join(root, 'src')).filter((name) => existsSync(join(root, 'src', name, 'tsconfig.json')));

try {
  for (const name of ['package.json', 'tsconfig.base.json']) cpSync(join(root, name), join(copy, name));
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  // One small file a room stands for its sources.
  for (const room of rooms) {
    cpSync(join(root, 'src', room, 'tsconfig.json'), join(copy, 'src', room, 'tsconfig.json'));
    writeFileSync(join(copy, 'src', room, 'thing.ts'), `export interface Thing { room: '${room}' }\n`);
    const imports = (names: string[]): string => names.map((name) => `export type { Thing as T${name} } from '#${name}/thing.ts';`).join('\n') + '\nexport {};\n';
    writeFileSync(join(copy, 'src', room, 'fine.ts'), imports(allowed[room] ?? []));
    writeFileSync(join(copy, 'src', room, 'planted.ts'), imports(forbidden(room)));
  }
  const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', '--pretty', 'false', ...rooms.map((room) => join(copy, 'src', room))], { encoding: 'utf8', cwd: copy });
  const faults = rooms.filter((room) => !(room in allowed)).map((room) => `${room} is not in the table of this check`);
  for (const room of rooms) {
    for (const [index, other] of forbidden(room).entries()) {
      if (!stdout.includes(`src/${room}/planted.ts(${index + 1},`)) faults.push(`${room} may import ${other}, which architecture.md forbids`);
    }
    if (stdout.includes(`src/${room}/fine.ts`)) faults.push(`${room} cannot import a room that it refers to`);
  }
  if (!stdout.includes('planted.ts')) faults.push('the compiler read nothing');
  for (const fault of faults) process.stdout.write(`${fault}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}

function forbidden(room: string): string[] {
  return rooms.filter((other) => other !== room && !(allowed[room] ?? []).includes(other));
}
