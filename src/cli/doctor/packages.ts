import { fail, ok, warn, type Finding, type Machine } from './check.ts';

export interface NeededPackage {
  for: 'run' | 'rootless' | 'test';
  name: string;
  /** Programs or files of which one is enough. */
  signs: readonly string[];
  reason: string;
}

/** Reads `system-packages.txt`: `for | package | signs | reason`. */
export function parsePackages(text: string): NeededPackage[] {
  return text.split('\n').flatMap((line) => {
    const [purpose, name, signs, reason] = line.replace(/^#.*/, '').split('|').map((cell) => cell.trim());
    if ((purpose !== 'run' && purpose !== 'rootless' && purpose !== 'test') || !name || !signs) return [];
    return [{ for: purpose, name, signs: signs.split(/\s+/), reason: reason ?? '' }];
  });
}

const essential = ['crun', 'conmon', 'nftables'];

/** Tells which packages are missing; those of tests are nobody's need. */
export function checkPackages(machine: Machine, packages: readonly NeededPackage[]): Finding[] {
  return packages
    .filter((item) => item.for === 'run' || (item.for === 'rootless' && machine.user !== 0))
    .map((item) => {
      const what = `package ${item.name}`;
      const found = item.signs.map((sign) => machine.program(sign)).find((path) => path !== undefined);
      if (found !== undefined) return ok(what, found);
      const mend = `apt-get install ${item.name}`;
      return (essential.includes(item.name) || item.for === 'rootless' ? fail : warn)(what, `missing: ${item.reason}`, mend);
    });
}
