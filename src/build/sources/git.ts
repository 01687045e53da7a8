import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, invalid, messageOf } from '#base/errors.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import type { Jail } from '#host/jail.ts';
import { spawnCollect } from '#host/process.ts';
import type { BuildLayers } from '../cache/layers.ts';
import type { CacheRecords } from '../cache/records.ts';
import { digest } from '../solver/keys.ts';
import type { PinnedSource } from '../solver/solver.ts';
import type { Tree } from '../tree.ts';

export interface GitSource {
  /** As git takes it. */
  url: string;
  ref: string;
  subdirectory: string;
  keepGitDir: boolean;
  /** A commit, or the beginning of one, that the ref must lead to. */
  checksum: string;
}

const DEADLINE = 15 * 60_000;
const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** Git repositories by the machine's own git, without its configuration: nothing of a repository is ever run. */
export class GitSources {
  readonly #layers: BuildLayers;
  readonly #records: CacheRecords;
  readonly #jail: Jail;
  readonly #folder: string;
  readonly #points: string;
  readonly #locks = new KeyedLock();

  constructor(options: { layers: BuildLayers; records: CacheRecords; jail: Jail; folder: string; points: string }) {
    this.#layers = options.layers;
    this.#records = options.records;
    this.#jail = options.jail;
    this.#folder = options.folder;
    this.#points = options.points;
  }

  async pin(source: GitSource, signal: AbortSignal): Promise<PinnedSource & { commit: string }> {
    checkSource(source);
    const commit = COMMIT.test(source.ref) ? source.ref : await this.#resolve(source, signal);
    if (source.checksum !== '' && !commit.startsWith(source.checksum)) {
      throw invalid(`${source.url} at ${JSON.stringify(source.ref)} is commit ${commit}, expected ${source.checksum}`);
    }
    const key = digest(['git', source.url, commit, source.subdirectory, source.keepGitDir]);
    const known = this.#records.get(key);
    if (known !== undefined) this.#records.used(known);
    return { commit, version: commit, key, tree: known?.trees[0], load: (_tell, own) => this.#load(source, commit, key, own) };
  }

  async #resolve({ url, ref }: GitSource, signal: AbortSignal): Promise<string> {
    const wanted = ref === '' ? 'HEAD' : ref;
    const { stdout } = await this.#git(['ls-remote', '--', url, wanted, `${wanted}^{}`], signal);
    const lines = stdout.toString().split('\n').filter((line) => line !== '').map((line) => line.split('\t'));
    const names = [`refs/heads/${wanted}`, `refs/tags/${wanted}^{}`, `refs/tags/${wanted}`, `${wanted}^{}`, wanted];
    for (const name of names) {
      const commit = lines.find(([, found]) => found === name)?.[0];
      if (commit !== undefined && COMMIT.test(commit)) return commit;
    }
    throw invalid(`repository ${url} does not contain ref ${wanted}`);
  }

  #load(source: GitSource, commit: string, key: string, signal: AbortSignal): Promise<Tree> {
    return this.#locks.run(source.url, async () => {
      const known = this.#records.get(key);
      if (known?.trees[0] !== undefined) return known.trees[0];
      const repository = join(this.#folder, digest(source.url).slice(0, 32));
      const whole = this.#layers.create();
      using _held = this.#layers.protect([whole.id]);
      try {
        await this.#fetch(repository, source, commit, signal);
        await this.#git(['--git-dir', repository, '--work-tree', whole.upper, 'checkout', '--force', '--detach', commit, '--', '.'], signal, whole.upper).catch(async () => {
          await this.#git(['--git-dir', repository, '--work-tree', whole.upper, 'checkout', '--force', commit], signal, whole.upper);
        });
        if (source.keepGitDir) await this.#keepGitDir(source, commit, whole.upper, signal);
        await this.#layers.seal(whole);
      } catch (error) {
        await this.#layers.discard(whole);
        throw error;
      }
      const layer = source.subdirectory === '' ? whole.id : await this.#subdirectory(whole.id, source.subdirectory);
      const tree = [layer];
      this.#records.put({ key, definition: key, trees: [tree], kind: 'source.git.checkout', description: `git ${source.url}#${commit.slice(0, 12)}`, parents: [] });
      return tree;
    });
  }

  async #fetch(repository: string, source: GitSource, commit: string, signal: AbortSignal): Promise<void> {
    if (statSync(join(repository, 'HEAD'), { throwIfNoEntry: false }) === undefined) {
      mkdirSync(repository, { recursive: true, mode: 0o700 });
      await this.#git(['init', '--quiet', '--bare', repository], signal);
    }
    const at = ['--git-dir', repository];
    const there = await this.#git([...at, 'cat-file', '-e', `${commit}^{commit}`], signal).then(() => true, () => false);
    if (there) return;
    const fetch = (what: string[], depth: string[]): Promise<unknown> => this.#git([...at, 'fetch', '--quiet', '--no-tags', '--force', ...depth, '--', source.url, ...what], signal);
    // Not every server gives a commit by its name: then the ref, then everything.
    await fetch([commit], ['--depth=1'])
      .catch(() => fetch([COMMIT.test(source.ref) || source.ref === '' ? 'HEAD' : source.ref], ['--depth=1']))
      .catch(() => fetch(['+refs/*:refs/remotes/origin/*'], []));
    await this.#git([...at, 'cat-file', '-e', `${commit}^{commit}`], signal).catch(async () => {
      await fetch(['+refs/*:refs/remotes/origin/*'], []);
    });
  }

  async #keepGitDir(source: GitSource, commit: string, folder: string, signal: AbortSignal): Promise<void> {
    const own = join(folder, '.git');
    await this.#git(['init', '--quiet', folder], signal);
    const at = ['--git-dir', own, '--work-tree', folder];
    await this.#git([...at, 'remote', 'add', 'origin', source.url], signal);
    await this.#git([...at, 'fetch', '--quiet', '--no-tags', '--depth=1', 'origin', commit], signal).catch(() => this.#git([...at, 'fetch', '--quiet', 'origin'], signal));
    await this.#git([...at, 'checkout', '--quiet', '--force', '--detach', commit], signal, folder);
  }

  /** Resolved inside the checkout by the kernel: a link that leads out leads nowhere. */
  async #subdirectory(whole: string, path: string): Promise<string> {
    const layer = this.#layers.create();
    try {
      await this.#jail.run<'files'>({
        kind: 'files', lower: [], upper: layer.upper, work: layer.work, points: this.#points, userxattr: false, limits: { inflated: 0, entries: 0 },
        steps: [{
          step: 'copy', from: this.#layers.folders([whole]), source: `/${path}/`, destination: '/', owner: undefined, mode: '', followSymlink: true, contentsOnly: true, unpack: false,
          replace: false, createDestination: true, wildcard: false, allowEmpty: false, include: [], exclude: [], time: undefined,
        }],
      });
      return await this.#layers.seal(layer);
    } catch (error) {
      await this.#layers.discard(layer);
      throw invalid(`git subdirectory ${JSON.stringify(path)}: ${messageOf(error)}`, { cause: error });
    }
  }

  async #git(args: readonly string[], signal: AbortSignal, cwd?: string): Promise<{ stdout: Buffer }> {
    signal.throwIfAborted();
    const safe = ['-c', 'core.hooksPath=/dev/null', '-c', 'protocol.file.allow=never', '-c', 'protocol.ext.allow=never', '-c', 'core.fsmonitor=false', '-c', 'safe.directory=*', '-c', 'advice.detachedHead=false'];
    let result;
    try {
      result = await spawnCollect('git', [...safe, ...args], {
        deadline: DEADLINE,
        ...(cwd === undefined ? {} : { cwd }),
        env: {
          PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: this.#folder, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0', GIT_ASKPASS: '/bin/true', GIT_ALLOW_PROTOCOL: 'http:https:git:ssh',
          GIT_SSH_COMMAND: 'ssh -o BatchMode=yes', ...proxyEnvironment(),
        },
      });
    } catch (error) {
      throw new EngineError('unavailable', `git is needed to build from repositories: install the package git (${messageOf(error)})`, { cause: error });
    }
    if (result.code !== 0) throw invalid(`git ${args.find((arg) => /^[a-z]+-?[a-z]*$/.test(arg)) ?? ''} failed: ${result.stderr.trim().split('\n').at(-1) ?? ''}`);
    return result;
  }

  /** What is fetched again when it is needed. */
  prune(): void {
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }
}

function checkSource({ url, ref, subdirectory, checksum }: GitSource): void {
  if (url.startsWith('-') || ref.startsWith('-')) throw invalid(`invalid git remote ${JSON.stringify(url)}`);
  if (/^file:|^ext::/.test(url) || url.startsWith('/')) throw invalid(`git remote ${JSON.stringify(url)} is not reached over a network`);
  if (subdirectory.split('/').includes('..')) throw invalid(`git subdirectory ${JSON.stringify(subdirectory)} leaves the repository`);
  if (checksum !== '' && !/^[0-9a-f]{7,64}$/.test(checksum)) throw invalid(`invalid git checksum ${JSON.stringify(checksum)}`);
}

function proxyEnvironment(): Record<string, string> {
  const names = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'all_proxy', 'ALL_PROXY'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}
