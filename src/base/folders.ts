/** Where an engine and its clients look for each other when nothing else was said. */
export interface EngineFolders {
  /** Outlives a reboot. */
  root: string;
  /** Sockets, pid files and mounts; does not outlive a reboot. */
  run: string;
}

export interface FolderEnvironment {
  /** Numeric id of the effective user. */
  user: number;
  env: Readonly<Record<string, string | undefined>>;
}

/**
 * The machine's own folders for root, the user's own otherwise. `GANTRY_DATA_ROOT` and `GANTRY_EXEC_ROOT` replace them, as
 * the options `--data-root` and `--exec-root` do.
 */
export function defaultFolders({ user, env }: FolderEnvironment): EngineFolders {
  const home = env['HOME'] ?? '/';
  const data = env['XDG_DATA_HOME'] ?? `${home}/.local/share`;
  const runtime = env['XDG_RUNTIME_DIR'] ?? `/run/user/${user}`;
  return {
    root: env['GANTRY_DATA_ROOT'] ?? (user === 0 ? '/var/lib/gantry' : `${data}/gantry`),
    run: env['GANTRY_EXEC_ROOT'] ?? (user === 0 ? '/run/gantry' : `${runtime}/gantry`),
  };
}

/** The unix socket of the engine whose run folder this is. */
export function defaultSocket(folders: Pick<EngineFolders, 'run'>): string {
  return `${folders.run}/gantry.sock`;
}
