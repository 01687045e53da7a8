import { invalid } from '#base/errors.ts';
import type { Seccomp, SeccompRule } from '#spec/oci-runtime.ts';
import type { HostFacts } from '#host/facts.ts';
import { defaultProfile, type Conditions, type ProfileRule } from './seccomp-profile.ts';

/** Which system call tables a machine of this kind can run. */
const architectures: Record<string, string[]> = {
  amd64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  s390x: ['SCMP_ARCH_S390X', 'SCMP_ARCH_S390'],
  riscv64: ['SCMP_ARCH_RISCV64'],
  loong64: ['SCMP_ARCH_LOONGARCH64'],
  ppc64le: ['SCMP_ARCH_PPC64LE'],
};

interface Circumstances {
  capabilities: readonly string[];
  facts: Pick<HostFacts, 'architecture' | 'kernel'>;
}

/** The default filter for a container that holds these capabilities. */
export function compileDefaultSeccomp(capabilities: readonly string[], facts: HostFacts): Seccomp {
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    architectures: architectures[facts.architecture] ?? [],
    syscalls: compileRules(defaultProfile, { capabilities, facts }),
  };
}

/**
 * A profile in Docker's format (`--security-opt seccomp=FILE`; the client sends the content). OCI's own format is a subset.
 * Throws invalid_argument with Docker's sentence for what is not such a profile.
 */
export function compileSeccompProfile(json: string, capabilities: readonly string[], facts: HostFacts): Seccomp {
  const profile = parseProfile(json);
  if (profile.architectures !== undefined && profile.archMap !== undefined) {
    throw invalid("'architectures' and 'archMap' were specified in the seccomp profile, use either 'architectures' or 'archMap'");
  }
  const native = architectures[facts.architecture]?.[0];
  const mapped = profile.archMap?.find((entry) => entry.architecture === native);
  const tables = profile.architectures ?? (mapped ? [mapped.architecture, ...(mapped.subArchitectures ?? [])] : undefined);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(tables === undefined ? {} : { architectures: tables }),
    ...(profile.flags === undefined ? {} : { flags: profile.flags }),
    syscalls: compileRules(profile.syscalls, { capabilities, facts }),
  };
}

/** Rules without conditions on arguments that do the same become one: fewer bytes for the runtime to parse. */
function compileRules(rules: readonly ProfileRule[], circumstances: Circumstances): SeccompRule[] {
  const plain = new Map<string, SeccompRule>();
  const compiled: SeccompRule[] = [];
  for (const rule of rules) {
    if (!holds(rule, circumstances)) continue;
    const action = rule.action ?? 'SCMP_ACT_ALLOW';
    const errnoRet = rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet };
    if (rule.args !== undefined && rule.args.length > 0) {
      compiled.push({ names: [...rule.names], action, ...errnoRet, args: rule.args });
      continue;
    }
    const key = `${action} ${rule.errnoRet ?? ''}`;
    const same = plain.get(key);
    if (same) same.names = [...new Set([...same.names, ...rule.names])];
    else {
      const first = { names: [...rule.names], action, ...errnoRet };
      plain.set(key, first);
      compiled.push(first);
    }
  }
  return compiled;
}

function holds(rule: ProfileRule, { capabilities, facts }: Circumstances): boolean {
  const { includes = {}, excludes = {} } = rule;
  const onArch = (wanted: Conditions): boolean => wanted.arches?.includes(facts.architecture) ?? false;
  if (includes.arches?.length && !onArch(includes)) return false;
  if (includes.caps?.some((name) => !capabilities.includes(name))) return false;
  if (includes.minKernel !== undefined && !kernelAtLeast(facts, includes.minKernel)) return false;
  if (onArch(excludes)) return false;
  if (excludes.caps?.some((name) => capabilities.includes(name))) return false;
  return excludes.minKernel === undefined || !kernelAtLeast(facts, excludes.minKernel);
}

function kernelAtLeast({ kernel }: Circumstances['facts'], wanted: string): boolean {
  const [major = 0, minor = 0] = wanted.split('.').map(Number);
  return kernel.major > major || (kernel.major === major && kernel.minor >= minor);
}

interface ParsedProfile {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  archMap?: { architecture: string; subArchitectures?: string[] | null }[];
  flags?: string[];
  syscalls: ProfileRule[];
}

function parseProfile(json: string): ParsedProfile {
  const bad = (why: string): Error => invalid(`Decoding seccomp profile failed: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw invalid(`Decoding seccomp profile failed: ${(error as Error).message}`, { cause: error });
  }
  if (!isObject(value)) throw bad('expected an object');
  if (!isAction(value['defaultAction'])) throw bad('defaultAction must be one of the SCMP_ACT_ actions');
  const syscalls = value['syscalls'] ?? [];
  if (!Array.isArray(syscalls)) throw bad('syscalls must be a list');
  const profile: ParsedProfile = { defaultAction: value['defaultAction'], syscalls: syscalls.map((rule) => parseRule(rule, bad)) };
  const errnoRet = value['defaultErrnoRet'];
  if (typeof errnoRet === 'number') profile.defaultErrnoRet = errnoRet;
  if (isStrings(value['architectures']) && value['architectures'].length > 0) profile.architectures = value['architectures'];
  if (isStrings(value['flags'])) profile.flags = value['flags'];
  if (value['listenerPath'] !== undefined) throw bad('listenerPath (SCMP_ACT_NOTIFY) is not supported');
  const archMap = value['archMap'];
  if (Array.isArray(archMap) && archMap.length > 0) {
    profile.archMap = archMap.map((entry: unknown) => {
      if (!isObject(entry) || typeof entry['architecture'] !== 'string') throw bad('archMap must be a list of {architecture, subArchitectures}');
      const sub = entry['subArchitectures'];
      return { architecture: entry['architecture'], subArchitectures: isStrings(sub) ? sub : null };
    });
  }
  return profile;
}

function parseRule(rule: unknown, bad: (why: string) => Error): ProfileRule {
  if (!isObject(rule)) throw bad('each of syscalls must be an object');
  const name = rule['name'];
  const given = rule['names'];
  if (typeof name === 'string' && isStrings(given) && given.length > 0) {
    throw bad("use either 'name' or 'names'");
  }
  const names = typeof name === 'string' ? [name] : given;
  if (!isStrings(names)) throw bad('each of syscalls needs names');
  if (!isAction(rule['action'])) throw bad(`the action for ${names.slice(0, 3).join(', ')} must be one of the SCMP_ACT_ actions`);
  const parsed: ProfileRule = { names, action: rule['action'] };
  if (typeof rule['errnoRet'] === 'number') parsed.errnoRet = rule['errnoRet'];
  if (Array.isArray(rule['args'])) parsed.args = rule['args'].map((arg: unknown) => parseArgument(arg, bad));
  if (isObject(rule['includes'])) parsed.includes = parseConditions(rule['includes']);
  if (isObject(rule['excludes'])) parsed.excludes = parseConditions(rule['excludes']);
  return parsed;
}

function parseArgument(arg: unknown, bad: (why: string) => Error): NonNullable<SeccompRule['args']>[number] {
  if (!isObject(arg)) throw bad('each of args must be an object');
  const { index, value, valueTwo = 0, op } = arg;
  if (typeof index !== 'number' || typeof value !== 'number' || typeof valueTwo !== 'number' || typeof op !== 'string') {
    throw bad('each of args needs index, value and op');
  }
  return { index, value, valueTwo, op };
}

function parseConditions(value: Record<string, unknown>): Conditions {
  const { caps, arches, minKernel } = value;
  return {
    ...(isStrings(caps) ? { caps } : {}),
    ...(isStrings(arches) ? { arches } : {}),
    ...(typeof minKernel === 'string' ? { minKernel } : {}),
  };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isStrings = (value: unknown): value is string[] => Array.isArray(value) && value.every((item) => typeof item === 'string');
const isAction = (value: unknown): value is string =>
  typeof value === 'string' && /^SCMP_ACT_(ALLOW|ERRNO|KILL|KILL_PROCESS|KILL_THREAD|LOG|TRACE|TRAP)$/.test(value);
