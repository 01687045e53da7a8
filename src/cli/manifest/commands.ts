import { parseReference, withDefaultTag, type Reference } from '#spec/reference.ts';
import { messageOf } from '#base/errors.ts';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import type { Cli } from '../command/cli.ts';
import * as flag from '../command/flag.ts';
import { indexDocument, ordered } from './index-document.ts';
import { entryOf, fetchManifest, isIndex, sendManifest } from './remote.ts';
import { ManifestStore, shown, type ListEntry } from './store.ts';

const insecure = flag.bool('Accepted for docker; which registries may be insecure is for the engine to say (insecure-registries)');
const named = (text: string): Reference => {
  try {
    return withDefaultTag(parseReference(text));
  } catch (error) {
    throw new CliError(messageOf(error));
  }
};
const storeOf = (cli: Cli): ManifestStore => new ManifestStore(cli.configFolder);

export const create: Command = defineCommand({
  usage: 'MANIFEST_LIST MANIFEST [MANIFEST...]',
  short: 'Begin an index of manifests that lie in registries',
  flags: { amend: flag.bool('Add to a list that was begun already', { short: 'a' }), insecure },
  args: { min: 2, max: undefined },
  async run({ cli, flags, args: [given = '', ...manifests] }) {
    let list: Reference;
    try {
      list = named(given);
    } catch (error) {
      throw new CliError(`error parsing name for manifest list ${given}: ${messageOf(error)}`);
    }
    const store = storeOf(cli);
    if (store.list(list) !== undefined && !flags.amend) throw new CliError('refusing to amend an existing manifest list with no --amend flag');
    for (const text of manifests) {
      const reference = named(text);
      if (store.get(list, reference) !== undefined) continue;
      const remote = await fetchManifest(cli, reference);
      if (isIndex(remote)) throw new CliError(`${shown(reference)} is a manifest list`);
      store.save(list, reference, entryOf(reference, remote));
    }
    cli.out.line(`Created manifest list ${shown(list)}`);
  },
});

export const annotate: Command = defineCommand({
  usage: '[OPTIONS] MANIFEST_LIST MANIFEST',
  short: 'Say more about a manifest of a list',
  flags: {
    arch: flag.text('Architecture'),
    os: flag.text('Operating system'),
    'os-features': flag.csv('Features of the operating system'),
    'os-version': flag.text('Version of the operating system'),
    variant: flag.text('Variant of the architecture'),
  },
  args: { min: 2, max: 2 },
  async run({ cli, flags, args: [given = '', text = ''] }) {
    const [list, manifest] = [named(given), named(text)];
    const store = storeOf(cli);
    const entry = store.get(list, manifest);
    if (entry === undefined) throw new CliError(`manifest for image ${text} does not exist in ${given}`);
    const platform = ordered({
      ...entry.Descriptor.platform,
      ...(flags.os === '' ? {} : { os: flags.os }),
      ...(flags.arch === '' ? {} : { architecture: flags.arch }),
      ...(flags.variant === '' ? {} : { variant: flags.variant }),
      ...(flags['os-version'] === '' ? {} : { 'os.version': flags['os-version'] }),
      'os.features': [...new Set([...(entry.Descriptor.platform?.['os.features'] ?? []), ...flags['os-features']])],
    });
    if (combinations[platform.os ?? '']?.includes(platform.architecture ?? '') !== true) {
      throw new CliError(`manifest entry for image has unsupported os/arch combination: ${flags.os}/${flags.arch}`);
    }
    store.save(list, manifest, { ...entry, Descriptor: { ...entry.Descriptor, platform } });
  },
});

export const inspect: Command = defineCommand({
  usage: '[OPTIONS] [MANIFEST_LIST] MANIFEST',
  short: 'Show a manifest, or a list of them',
  flags: { insecure, verbose: flag.bool('Show layers and platforms, too', { short: 'v' }) },
  args: { min: 1, max: 2 },
  async run({ cli, flags, args }) {
    const store = storeOf(cli);
    const reference = named(args.at(-1) ?? '');
    if (args.length === 2) {
      const entry = store.get(named(args[0] ?? ''), reference);
      if (entry === undefined) throw new CliError(`No such manifest: ${shown(reference)}`);
      return showOne(cli, entry, flags.verbose);
    }
    const local = store.list(reference);
    if (local !== undefined) return showList(cli, local, flags.verbose);
    const remote = await fetchManifest(cli, reference);
    if (!isIndex(remote)) return showOne(cli, entryOf(reference, remote), flags.verbose);
    const { manifests = [] } = JSON.parse(Buffer.from(remote.Raw, 'base64').toString()) as { manifests?: ListEntry['Descriptor'][] };
    const entries: ListEntry[] = [];
    for (const { mediaType, size, digest, platform } of manifests) {
      const Descriptor = { mediaType, digest, size, ...(platform === undefined ? {} : { platform: ordered(platform) }) };
      if (!flags.verbose) entries.push({ Ref: '', Raw: '', Descriptor });
      else {
        const part = await fetchManifest(cli, { ...reference, tag: undefined, digest: digest as Reference['digest'] });
        entries.push({ ...entryOf({ ...reference, digest: digest as Reference['digest'] }, part), Descriptor });
      }
    }
    showList(cli, entries, flags.verbose);
  },
});

export const push: Command = defineCommand({
  usage: '[OPTIONS] MANIFEST_LIST',
  short: 'Put a list into its repository, with the manifests that it names',
  flags: { insecure, purge: flag.bool('Forget the list here afterwards', { short: 'p' }) },
  args: { min: 1, max: 1 },
  async run({ cli, flags, args: [given = ''] }) {
    const list = named(given);
    const store = storeOf(cli);
    const entries = store.list(list);
    if (entries === undefined) throw new CliError(`No such manifest: ${shown(list)}`);
    if (entries.length === 0) throw new CliError(`${shown(list)} not found`);
    for (const entry of entries) {
      const from = named(entry.Ref);
      if (from.domain !== list.domain) throw new CliError('cannot use source images from a different registry than the target image: ' + `${from.domain} != ${list.domain}`);
      const { os, architecture } = entry.Descriptor.platform ?? {};
      if (!os || !architecture) throw new CliError(`manifest ${entry.Ref} must have an OS and Architecture to be pushed to a registry`);
    }
    for (const entry of entries) {
      const from = named(entry.Ref);
      const target = { ...list, tag: undefined, digest: entry.Descriptor.digest as Reference['digest'] };
      const Mounts = from.path === list.path ? [] : blobsOf(entry).map((Digest) => ({ Digest, From: from.path }));
      const digest = await sendManifest(cli, target, { MediaType: entry.Descriptor.mediaType, Raw: entry.Raw, Mounts });
      cli.out.line(`Pushed ref ${shown(target)} with digest: ${digest}`);
    }
    const { mediaType, text } = indexDocument(entries);
    cli.out.line(await sendManifest(cli, list, { MediaType: mediaType, Raw: Buffer.from(text).toString('base64') }));
    if (flags.purge) store.remove(list);
  },
});

export const remove: Command = defineCommand({
  usage: 'MANIFEST_LIST [MANIFEST_LIST...]',
  short: 'Forget lists that were begun here',
  flags: {},
  args: { min: 1, max: undefined },
  async run({ cli, args }) {
    const store = storeOf(cli);
    const failures: string[] = [];
    for (const text of args) {
      const list = named(text);
      if (store.list(list) === undefined) failures.push(`No such manifest: ${shown(list)}`);
      else store.remove(list);
    }
    if (failures.length > 0) throw new CliError(failures.join('\n'));
  },
});

function showOne(cli: Cli, entry: ListEntry, verbose: boolean): void {
  cli.out.line(JSON.stringify(verbose ? entry : JSON.parse(Buffer.from(entry.Raw, 'base64').toString()), undefined, '\t'));
}

/** A list shows as an OCI index when all of it is OCI, else as a Docker list. */
function showList(cli: Cli, entries: readonly ListEntry[], verbose: boolean): void {
  cli.out.line(verbose ? JSON.stringify(entries, undefined, '\t') : indexDocument(entries).text);
}

/** Configuration and layers; those that lie elsewhere are not the registry's. */
function blobsOf({ Raw }: ListEntry): string[] {
  const { config, layers = [] } = JSON.parse(Buffer.from(Raw, 'base64').toString()) as { config?: { digest: string }; layers?: { digest: string; mediaType: string }[] };
  return [...new Set([...(config === undefined ? [] : [config.digest]), ...layers.filter(({ mediaType }) => !mediaType.includes('foreign')).map(({ digest }) => digest)])];
}

const combinations: Readonly<Record<string, readonly string[]>> = {
  aix: ['ppc64'],
  android: ['386', 'amd64', 'arm', 'arm64'],
  darwin: ['386', 'amd64', 'arm', 'arm64'],
  dragonfly: ['amd64'],
  freebsd: ['386', 'amd64', 'arm', 'arm64'],
  illumos: ['amd64'],
  ios: ['amd64', 'arm64'],
  js: ['wasm'],
  linux: ['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips', 'mips64', 'mips64le', 'mipsle', 'ppc64', 'ppc64le', 'riscv64', 's390x', 'sparc64'],
  netbsd: ['386', 'amd64', 'arm', 'arm64'],
  openbsd: ['386', 'amd64', 'arm', 'arm64', 'mips64'],
  plan9: ['386', 'amd64', 'arm'],
  solaris: ['amd64'],
  wasip1: ['wasm'],
  windows: ['386', 'amd64', 'arm', 'arm64'],
};
