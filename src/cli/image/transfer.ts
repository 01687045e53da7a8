import { createReadStream, statSync } from 'node:fs';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { stdinIsTerminal } from '../command/io.ts';
import { saveStream } from '../command/save-stream.ts';
import { systemMessage } from '../container/options/environment.ts';
import { credentialsFor } from '../login/credentials.ts';
import { platformJson } from '../inspect/of-kind.ts';
import { showProgress } from './progress.ts';
import { pullImage } from './pull-image.ts';
import { requireReference } from './reference.ts';

export const save: Command = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  short: 'Write images as a tar archive',
  flags: {
    output: flag.text('Write to this file instead of the standard output', { short: 'o', complete: 'file' }),
    platform: flag.csv('Write only this platform, for example linux/arm64; may be given several times'),
  },
  args: { min: 1, max: undefined },
  complete: ['image'],
  async run({ cli, flags, args }) {
    const client = await cli.client();
    const platforms = flags.platform.flatMap((item) => platformJson(item, 'invalid platform: ') ?? []);
    await saveStream(cli, flags.output, 'save image', () => client.images.save(args, { platforms }));
  },
});

function fileStream(path: string): AsyncIterable<Uint8Array> {
  try {
    if (statSync(path).isDirectory()) throw new CliError(`read ${path}: is a directory`);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`open ${path}: ${systemMessage(error)}`);
  }
  return createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Uint8Array>;
}

export const load: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Read images from a tar archive',
  flags: {
    input: flag.text('Read this file instead of the standard input', { short: 'i', complete: 'file' }),
    platform: flag.csv('Read only this platform, for example linux/arm64; may be given several times'),
    quiet: flag.bool('Say nothing of the progress', { short: 'q' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    if (flags.input === '' && stdinIsTerminal()) throw new CliError('requested load from stdin, but stdin is empty');
    const tar = flags.input === '' ? (process.stdin as AsyncIterable<Uint8Array>) : fileStream(flags.input);
    const platforms = flags.platform.flatMap((item) => platformJson(item, 'invalid platform: ') ?? []);
    const client = await cli.client();
    const messages = await client.images.load(tar, { quiet: flags.quiet || !cli.out.terminal, platforms });
    await showProgress(messages, cli.out);
  },
});

export const importImage: Command = defineCommand({
  usage: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  short: 'Make an image of a tar archive of files',
  flags: {
    change: flag.list('Apply a Dockerfile instruction to the image', { short: 'c' }),
    message: flag.text('Message of the commit', { short: 'm' }),
    platform: flag.text('Platform of the image, for example linux/arm64'),
  },
  args: { min: 1, max: undefined },
  complete: ['file', 'image'],
  async run({ cli, flags, args: [source = '', reference] }) {
    const parts = reference === undefined ? undefined : requireReference(reference);
    const options = {
      ...(parts ? { repo: parts.name, tag: parts.tag ?? 'latest' } : {}),
      message: flags.message,
      changes: flags.change,
      ...(flags.platform === '' ? {} : { platform: flags.platform }),
    };
    const client = await cli.client();
    if (/^https?:\/\//.test(source)) {
      const { repo, ...query } = options;
      const response = await client.transport.send({ method: 'POST', path: '/images/create', query: { fromSrc: source, repo, ...query } });
      const { readJsonLines } = await import('#api/client/json-lines.ts');
      return showProgress(readJsonLines(response.body), cli.out);
    }
    await showProgress(await client.images.import(source === '-' ? process.stdin : fileStream(source), options), cli.out);
  },
});

export const pull: Command = defineCommand({
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  short: 'Fetch an image from a registry',
  flags: {
    'all-tags': flag.bool('Fetch every tag of the repository', { short: 'a' }),
    'disable-content-trust': flag.bool('Do not verify the signature of the image', { default: true }),
    platform: flag.text('Platform of the image, for example linux/arm64'),
    quiet: flag.bool('Say nothing of the progress', { short: 'q' }),
  },
  args: { min: 1, max: 1 },
  complete: ['image'],
  async run({ cli, flags, args: [name = ''] }) {
    const { domain, path, tag, digest } = requireReference(name);
    const bare = tag === undefined && digest === undefined;
    const all = flags['all-tags'];
    if (all && !bare) throw new CliError("tag can't be used with --all-tags/-a");
    if (bare && !all && !flags.quiet) cli.out.line('Using default tag: latest');
    await pullImage(cli, name, { platform: flags.platform, all, output: flags.quiet ? undefined : cli.out });
    cli.out.line(`${domain}/${path}${digest !== undefined ? `@${digest}` : all ? '' : `:${tag ?? 'latest'}`}`);
  },
});

export const push: Command = defineCommand({
  usage: '[OPTIONS] NAME[:TAG]',
  short: 'Send an image to a registry',
  flags: {
    'all-tags': flag.bool('Send every tag of the repository', { short: 'a' }),
    'disable-content-trust': flag.bool('Do not sign the image', { default: true }),
    platform: flag.text('Send only this platform, for example linux/arm64'),
    quiet: flag.bool('Say nothing of the progress', { short: 'q' }),
  },
  args: { min: 1, max: 1 },
  complete: ['image'],
  async run({ cli, flags, args: [name = ''] }) {
    const parts = requireReference(name);
    if (flags['all-tags'] && (parts.tag !== undefined || parts.digest !== undefined)) throw new CliError("tag can't be used with --all-tags/-a");
    if (parts.tag === undefined && !flags['all-tags'] && !flags.quiet) cli.out.line('Using default tag: latest');
    const messages = await (await cli.client()).images.push(parts.name, {
      tag: flags['all-tags'] ? undefined : (parts.tag ?? 'latest'),
      platform: platformJson(flags.platform, 'invalid platform: '),
      auth: await credentialsFor(cli, name),
    });
    const notes: string[] = [];
    await showProgress(messages, flags.quiet ? undefined : cli.out, (aux) => {
      if (typeof aux === 'object' && aux !== null && 'manifestPushedInsteadOfIndex' in aux) notes.push('Not all multiplatform-content is present and only the available single-platform image was pushed');
    });
    if (flags.quiet) cli.out.line(`${parts.domain}/${parts.path}${flags['all-tags'] ? '' : `:${parts.tag ?? 'latest'}`}`);
    for (const note of notes) cli.err.line(`\nInfo → ${note}`);
  },
});

export const bootstrap: Command = defineCommand({
  usage: 'NAME',
  short: "Make a base image from the distribution's packages: busybox or debian[:suite]",
  long: 'No registry is needed. A busybox image takes a second, a debian image some minutes and a mirror of its packages.',
  flags: {},
  args: { min: 1, max: 1 },
  complete: [['busybox', 'debian']],
  async run({ cli, args: [name = ''] }) {
    await showProgress(await (await cli.client()).images.bootstrap(name), cli.out);
  },
});
