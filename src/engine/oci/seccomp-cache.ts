import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '#base/errors.ts';
import type { RuntimeSpec } from '#spec/oci-runtime.ts';

/** crun installs this filter, in base64, instead of compiling the profile's rules. */
export const COMPILED_FILTER = 'run.oci.seccomp_bpf_data';

const MAX_KEPT = 200;
const MAX_INSTRUCTIONS = 4096;
const INSTRUCTION_BYTES = 8;

/**
 * Compiled system call filters. crun needs some 15 ms to compile the default profile, more than for all the rest of a
 * container, and leaves the result in the container's state folder; the next container with the same profile gets it back.
 * Only for crun: other runtimes do not know the annotation.
 */
export class SeccompCache {
  readonly #folder: string;
  readonly #runtime: string;
  readonly #known = new Map<string, string>();

  /** `folder` is private to the engine. `runtime` identifies the compiler: path and version. */
  constructor(options: { folder: string; runtime: string }) {
    this.#folder = options.folder;
    this.#runtime = options.runtime;
  }

  /**
   * Replaces the spec's rules by the compiled filter when there is one. Otherwise returns the key under which to
   * `remember` what the runtime compiles.
   */
  apply(spec: RuntimeSpec): string | undefined {
    const { seccomp } = spec.linux;
    if (seccomp === undefined) return undefined;
    const key = createHash('sha256').update(this.#runtime).update('\0').update(JSON.stringify(seccomp)).digest('hex');
    const filter = this.#known.get(key) ?? this.#load(key);
    if (filter === undefined) return key;
    spec.annotations = { ...spec.annotations, [COMPILED_FILTER]: filter };
    spec.linux.seccomp = { ...seccomp, syscalls: [] };
    return undefined;
  }

  /** Keeps the filter that crun wrote as `<state folder>/<id>/seccomp.bpf`. What cannot be a filter is ignored. */
  remember(key: string, stateFolder: string): void {
    const filter = readFilter(join(stateFolder, 'seccomp.bpf'));
    if (filter === undefined) return;
    this.#known.set(key, filter.toString('base64'));
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, key);
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, filter, { mode: 0o600 });
    renameSync(temporary, path);
    this.#forgetOldest();
  }

  /** Clients may send a new profile with every container. */
  #forgetOldest(): void {
    const names = readdirSync(this.#folder);
    if (names.length <= MAX_KEPT) return;
    const age = (name: string): number => statSync(join(this.#folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const oldest = names.toSorted((a, b) => age(a) - age(b)).slice(0, names.length - MAX_KEPT);
    for (const name of oldest) {
      rmSync(join(this.#folder, name), { force: true });
      this.#known.delete(name);
    }
  }

  #load(key: string): string | undefined {
    const text = readFilter(join(this.#folder, key))?.toString('base64');
    if (text !== undefined) this.#known.set(key, text);
    return text;
  }
}

function readFilter(path: string): Buffer | undefined {
  let filter: Buffer;
  try {
    filter = readFileSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  const whole = filter.length > 0 && filter.length % INSTRUCTION_BYTES === 0 && filter.length <= MAX_INSTRUCTIONS * INSTRUCTION_BYTES;
  return whole ? filter : undefined;
}
