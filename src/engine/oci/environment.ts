export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The variables of a container's first process: what every container has, then the configured ones in order (the last
 * value of a name wins, in the place of the first). An entry without `=` removes the variable. HOME comes from the
 * image's user database unless set.
 */
export function processEnvironment(options: {
  env: readonly string[];
  hostname: string;
  tty: boolean;
  home: string;
}): string[] {
  const base = [`PATH=${defaultPath}`, `HOSTNAME=${options.hostname}`, ...(options.tty ? ['TERM=xterm'] : [])];
  // An empty one is none, as for runc.
  const env = overlayEnvironment(base, options.env).filter((entry) => entry !== 'HOME=');
  return env.some((entry) => entry.startsWith('HOME=')) ? env : [...env, `HOME=${options.home}`];
}

/** `base` with the entries of `changes` replaced, added or (without `=`) removed. */
export function overlayEnvironment(base: readonly string[], changes: readonly string[]): string[] {
  const merged = new Map(base.map((entry) => [nameOf(entry), entry]));
  for (const entry of changes) {
    if (entry.includes('=')) merged.set(nameOf(entry), entry);
    else merged.delete(entry);
  }
  return [...merged.values()];
}

/** The container's own variables over the image's: names keep their place, values the container's. */
export function mergeImageEnvironment(own: readonly string[], image: readonly string[]): string[] {
  const names = new Set(own.map(nameOf));
  return [...own, ...image.filter((entry) => !names.has(nameOf(entry)))];
}

const nameOf = (entry: string): string => {
  // A leading "=" belongs to the name, as in Windows' hidden variables; the API refuses those before.
  const cut = entry.indexOf('=');
  return cut < 0 ? entry : entry.slice(0, cut);
};
