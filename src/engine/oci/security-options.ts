import { invalid } from '#base/errors.ts';

export interface SecurityOptions {
  noNewPrivileges: boolean | undefined;
  /** `unconfined`, `builtin`, JSON text of a profile, or undefined for the engine's default. */
  seccomp: string | undefined;
  /** Profile name, `unconfined`, or undefined for the default. */
  apparmor: string | undefined;
  /** SELinux: `disable`, `user:x`, `role:x`, `type:x`, `level:x`. */
  labels: string[];
  /** Set by clients of old; newer ones send empty MaskedPaths and ReadonlyPaths instead. */
  systemPathsUnconfined: boolean;
  writableCgroups: boolean | undefined;
}

/** `--security-opt` in all its forms: `key=value`, the older `key:value`, and the single words. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  const parsed: SecurityOptions = {
    noNewPrivileges: undefined,
    seccomp: undefined,
    apparmor: undefined,
    labels: [],
    systemPathsUnconfined: false,
    writableCgroups: undefined,
  };
  for (const option of options) {
    if (option === 'no-new-privileges') parsed.noNewPrivileges = true;
    else if (option === 'disable') parsed.labels.push('disable');
    else applyPair(parsed, option);
  }
  return parsed;
}

function applyPair(parsed: SecurityOptions, option: string): void {
  const cut = option.includes('=') ? option.indexOf('=') : option.indexOf(':');
  if (cut < 0) throw invalid(`invalid --security-opt 1: "${option}"`);
  const key = option.slice(0, cut);
  const value = option.slice(cut + 1);
  const refused = (): Error => invalid(`invalid --security-opt 2: "${option}"`);
  switch (key) {
    case 'label':
      parsed.labels.push(value);
      return;
    case 'apparmor':
      parsed.apparmor = value;
      return;
    case 'seccomp':
      parsed.seccomp = value;
      return;
    case 'no-new-privileges':
      parsed.noNewPrivileges = parseBoolean(value, refused);
      return;
    case 'writable-cgroups':
      parsed.writableCgroups = parseBoolean(value, refused);
      return;
    case 'systempaths':
      if (value !== 'unconfined') throw refused();
      parsed.systemPathsUnconfined = true;
      return;
    default:
      throw refused();
  }
}

/** The spellings of Go's strconv.ParseBool. */
function parseBoolean(text: string, refused: () => Error): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw refused();
}
