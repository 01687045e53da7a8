import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { EngineError, invalid, wrap } from '#base/errors.ts';
import { kernelMounts } from '#host/mount.ts';

export interface AptSource {
  uri: string;
  suites: string[];
  components: string[];
  signedBy: string | undefined;
}

/** The debian repositories of apt's files, in both of their formats. */
export function parseAptSources(text: string): AptSource[] {
  const lines = text.split('\n').map((line) => line.replace(/#.*/, ''));
  const oneLine = lines.flatMap((line) => {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line.trim());
    if (!match) return [];
    const [, options = '', uri = '', suite = '', components = ''] = match;
    return [{ uri, suites: [suite], components: components.trim().split(/\s+/), signedBy: /signed-by=(\S+)/.exec(options)?.[1] }];
  });
  const stanzas = text
    .replace(/^#.*\n/gm, '')
    .split(/\n\s*\n/)
    .flatMap((stanza) => {
      const field = (name: string): string[] => new RegExp(`^${name}:(.*)$`, 'im').exec(stanza)?.[1]?.trim().split(/\s+/) ?? [];
      if (!field('Types').includes('deb') || field('Enabled')[0] === 'no') return [];
      return field('URIs').map((uri) => ({ uri, suites: field('Suites'), components: field('Components'), signedBy: field('Signed-By')[0] }));
    });
  return [...oneLine, ...stanzas].filter(({ uri }) => /\/debian(?:-security)?\/?$/.test(uri));
}

/** The host's own sources, turned to another suite where asked. `unstable` has neither updates nor security. */
export function sourcesFor(host: readonly AptSource[], hostSuite: string, suite: string): string[] {
  const base = host.length > 0 ? host : [{ uri: 'http://deb.debian.org/debian', suites: [hostSuite], components: ['main'], signedBy: undefined }];
  const rolling = suite === 'sid' || suite === 'unstable';
  const lines = base.flatMap(({ uri, suites, signedBy }) =>
    suites
      .filter((name) => name === hostSuite || (!rolling && (name === `${hostSuite}-updates` || name === `${hostSuite}-security`)))
      .map((name) => `deb ${signedBy === undefined ? '' : `[signed-by=${signedBy}] `}${uri} ${name.replace(hostSuite, suite)} main`),
  );
  return [...new Set(lines)];
}

/** What the image itself gets: Debian's public servers, whatever mirror this machine uses. */
export function publicSources(suite: string): string {
  const suites = suite === 'sid' || suite === 'unstable' ? suite : `${suite} ${suite}-updates`;
  const stanza = (uri: string, names: string): string =>
    `Types: deb\nURIs: ${uri}\nSuites: ${names}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
  const main = stanza('http://deb.debian.org/debian', suites);
  return suites === suite ? main : `${main}\n${stanza('http://deb.debian.org/debian-security', `${suite}-security`)}`;
}

/** Takes away what names this machine or can be fetched again; keeps apt from filling layers with its caches. */
const clean = `set -e
rm -rf "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/etc/hosts "$1"/etc/apt/apt.conf.d/*proxy* "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/apt/apt.conf "$1"/etc/apt/auth.conf
rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/cache/debconf/*-old
rm -rf "$1"/etc/ssh/ssh_host_* "$1"/var/lib/systemd/random-seed
if [ -e "$1"/etc/machine-id ]; then : > "$1"/etc/machine-id; fi
rm -f "$1"/var/lib/dbus/machine-id
find "$1"/var/log -type f -exec truncate -s 0 {} +
printf '%s' "$GANTRY_SOURCES" > "$1"/etc/apt/sources.list.d/debian.sources
printf '%s\\n' 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };' 'Acquire::Languages "none";' 'Apt::AutoRemove::SuggestsImportant "false";' > "$1"/etc/apt/apt.conf.d/container
`;

export interface DebianRoot {
  suite: string;
  tar: AsyncIterable<Uint8Array>;
  /** What mmdebstrap says while the tar is read; ends with it. */
  progress: AsyncIterable<string>;
  /** Rejects with mmdebstrap's own words when it failed. */
  done: Promise<void>;
  kill(): void;
}

/** Installs a minimal Debian with the host's apt and streams it. Needs root or user namespaces, and a mirror. */
export function debianRoot(wanted: string | undefined): DebianRoot {
  const program = ['/usr/bin/mmdebstrap'].find((path) => existsSync(path));
  if (program === undefined) throw new EngineError('unavailable', 'mmdebstrap is not installed on this machine: apt-get install mmdebstrap');
  const release = readText('/etc/os-release');
  const hostIsDebian = /^ID=debian$/m.test(release);
  const hostSuite = hostIsDebian ? (/^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] ?? 'stable') : 'stable';
  const suite = wanted ?? hostSuite;
  if (!/^[a-z][a-z0-9-]{0,40}$/.test(suite)) throw invalid(`${JSON.stringify(suite)} is not the name of a Debian release`);
  const host = hostIsDebian ? ['/etc/apt/sources.list', ...listSources()].flatMap((path) => parseAptSources(readText(path))) : [];
  const env: NodeJS.ProcessEnv = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', GANTRY_SOURCES: publicSources(suite) };
  // Of our own, so that a run that was stopped leaves nothing; open to others because apt downloads as a user of its own.
  const folder = mkdtempSync(join(tmpdir(), 'gantry-debian-'));
  chmodSync(folder, 0o755);
  env['TMPDIR'] = folder;
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy']) if (process.env[name] !== undefined) env[name] = process.env[name];
  const child = spawn(program, ['--variant=minbase', '--format=tar', `--customize-hook=${clean}`, suite, '-', '-'], { env, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {});
  child.stdin.end(`${sourcesFor(host, hostSuite, suite).join('\n')}\n`);
  const last: string[] = [];
  const progress = (async function* (): AsyncGenerator<string> {
    for await (const line of createInterface(child.stderr)) {
      last.push(line);
      if (last.length > 10) last.shift();
      if (/^[IW]: (?!running --customize-hook)/.test(line)) yield line.slice(3);
    }
  })();
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  const done = ended
    .catch((error: unknown) => {
      throw wrap(error, 'mmdebstrap could not start');
    })
    .finally(() => removeWorkshop(folder))
    .then((code) => {
      if (code === 0) return;
      if (child.killed) throw new EngineError('unavailable', 'mmdebstrap was stopped');
      const complaint = last.filter((line) => /^E: |error/i.test(line)).at(-1) ?? last.at(-1);
      throw new EngineError('internal', `mmdebstrap failed: ${complaint ?? `exit status ${code}`}`);
    });
  done.catch(() => {});
  return { suite, tar: child.stdout, progress, done, kill: () => void child.kill('SIGTERM') };
}

/** mmdebstrap binds the host's /dev and /sys into its tree: nothing is removed while any of that is still mounted. */
async function removeWorkshop(folder: string): Promise<void> {
  for (const { target } of kernelMounts.list(folder).reverse()) kernelMounts.unmount(target);
  if (kernelMounts.list(folder).length === 0) await rm(folder, { recursive: true, force: true });
}

function listSources(): string[] {
  try {
    return readdirSync('/etc/apt/sources.list.d').filter((name) => /\.(?:list|sources)$/.test(name)).map((name) => `/etc/apt/sources.list.d/${name}`);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
