import { spawnSync } from 'node:child_process';

/**
 * Makes our terminal raw, output included, and returns how to give it back. Node's own raw mode goes on turning line feeds
 * into two characters, which full-screen programs do not survive; it is the way out where there is no `stty`.
 */
export function makeRaw(): () => void {
  const before = stty('-g');
  if (before === undefined || stty('raw', '-echo') === undefined) {
    process.stdin.setRawMode(true);
    return () => process.stdin.setRawMode(false);
  }
  return () => {
    stty(before);
  };
}

function stty(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('stty', args, { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}
