import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#base/errors.ts';
import type { NativeBuildEvent, NativeBuildRequest } from '#spec/wire/native-build.ts';
import type { Cli } from '../command/cli.ts';
import { CliError, defineCommand, type Command, type Invocation } from '../command/command.ts';
import { proxyVariables } from '../container/options/proxies.ts';
import { allCredentials } from '../login/credentials.ts';
import { sendContext, sendFiles, sendNamed, type SentContext } from './contexts.ts';
import { openContext } from './context/open.ts';
import { buildFlags } from './flags.ts';
import { parseAttestation, parseOutput, parseSecret, type ParsedOutput, type ParsedSecret } from './key-values.ts';
import { takeOutput } from './outputs.ts';
import { LiveProgress } from './progress/live.ts';
import { PlainProgress } from './progress/plain.ts';
import { RawProgress } from './progress/raw.ts';
import type { ProgressView } from './progress/view.ts';
import { newRef } from './small-build.ts';
import { showFailure, showWarnings } from './report.ts';

type BuildInvocation = Invocation<typeof buildFlags>;
type Flags = BuildInvocation['flags'];

export const build: Command = defineCommand({
  usage: '[OPTIONS] PATH | URL | -',
  short: 'Build an image from a Dockerfile',
  flags: buildFlags,
  args: { min: 1, max: 1 },
  complete: ['file'],
  run: (invocation) => runBuild(invocation),
});

async function runBuild({ cli, flags, args: [named = ''] }: BuildInvocation): Promise<number> {
  const check = flags.check || flags.call === 'check';
  if (!check && flags.call !== 'build') throw new CliError(`--call ${flags.call} is not there yet: build and check are`);
  if (flags['cache-to'].length > 0) throw new CliError('--cache-to is not there yet: results stay in the engine\'s own cache');
  if (flags.ssh.length > 0) throw new CliError('--ssh is not there yet: give a step its key with --secret');
  if (flags['cache-from'].length > 0) cli.err.line('WARNING: --cache-from is not there yet: only the engine\'s own cache is looked into');
  const outputs = outputsOf(flags);
  const client = await cli.client();
  const controller = new AbortController();
  const opened = await openContext(named, flags.file, process.stdin);
  const sent: SentContext[] = [];
  const contexts: Record<string, SentContext['native']> = {};
  const main = await sendContext(client, opened, controller.signal);
  sent.push(main);
  for (const text of flags['build-context']) {
    const { name, sent: other } = await sendNamed(client, text);
    contexts[name] = other.native;
    sent.push(other);
  }
  const text = opened.kind === 'folder' ? dockerfileText(opened.root, opened.dockerfile, opened) : opened.kind === 'remote' ? opened.text : undefined;
  const request: NativeBuildRequest = {
    ...(await requestOf(cli, flags)),
    ref: newRef(),
    name: named,
    context: main.native,
    contexts,
    dockerfile: { path: opened.dockerfile, text: await text },
    ignoreText: opened.kind === 'folder' ? opened.ignoreText : '',
    outputs: outputs.map(({ type, attributes }) => ({ type, attributes })),
    check,
  };
  const view = viewOf(cli, flags);
  const giveUp = (): void => controller.abort(new CliError('', 130));
  process.once('SIGINT', giveUp).once('SIGTERM', giveUp);
  try {
    return await follow(cli, flags, { request, outputs, sent, view, signal: controller.signal });
  } catch (error) {
    view?.end();
    if (!controller.signal.aborted) throw error;
    cli.err.line('ERROR: failed to build: canceled');
    return 130;
  } finally {
    process.off('SIGINT', giveUp).off('SIGTERM', giveUp);
  }
}

interface Followed {
  request: NativeBuildRequest;
  outputs: readonly ParsedOutput[];
  sent: readonly SentContext[];
  view: ProgressView | undefined;
  signal: AbortSignal;
}

async function follow(cli: Cli, flags: Flags, { request, outputs, sent, view, signal }: Followed): Promise<number> {
  const client = await cli.client();
  const warnings: Extract<NativeBuildEvent, { type: 'warning' }>[] = [];
  const deliveries: Promise<void>[] = [];
  for await (const event of await client.builds.build(request, signal)) {
    view?.take(event);
    switch (event.type) {
      case 'vertex':
        break;
      case 'warning':
        warnings.push(event);
        break;
      case 'need':
        // The stream goes on while files are sent.
        void sendFiles(client, event.context, sent, event.files, signal).catch(() => {});
        break;
      case 'output': {
        const output = outputs[event.index];
        if (output !== undefined) deliveries.push(client.builds.output(request.ref, event.index, signal).then((tar) => takeOutput(cli, output, tar)));
        break;
      }
      case 'failed':
        view?.end();
        showFailure(cli, event, view);
        return 1;
      case 'result':
        view?.end();
        await Promise.all(deliveries);
        if (request.check) return showWarnings(cli, warnings, true);
        if (!flags.quiet) showWarnings(cli, warnings, false);
        finish(cli, flags, event);
        return 0;
    }
  }
  throw new CliError('the engine ended the build without a result');
}

function finish(cli: Cli, flags: Flags, { imageId, metadata }: Extract<NativeBuildEvent, { type: 'result' }>): void {
  if (flags['metadata-file'] !== '') writeFileSync(flags['metadata-file'], `${JSON.stringify(metadata, undefined, 2)}\n`);
  if (flags.iidfile !== '' && imageId !== undefined) writeFileSync(flags.iidfile, imageId);
  if (isQuiet(flags) && imageId !== undefined) cli.out.line(imageId);
}

const isQuiet = (flags: Flags): boolean => flags.quiet || flags.progress === 'quiet';

function viewOf(cli: Cli, flags: Flags): ProgressView | undefined {
  if (isQuiet(flags)) return undefined;
  const wanted = flags.progress === 'auto' ? (process.env['BUILDKIT_PROGRESS'] ?? 'auto') : flags.progress;
  switch (wanted) {
    case 'plain':
      return new PlainProgress(cli.err);
    case 'rawjson':
      return new RawProgress(cli.err);
    case 'tty':
      return new LiveProgress(cli.err);
    case 'auto':
      return cli.err.terminal ? new LiveProgress(cli.err) : new PlainProgress(cli.err);
    default:
      throw new CliError(`invalid progress mode ${wanted}`);
  }
}

function outputsOf(flags: Flags): ParsedOutput[] {
  const outputs = flags.output.map(parseOutput);
  if (flags.push) {
    const image = outputs.find(({ type }) => type === 'image' || type === 'registry');
    if (image === undefined && outputs.length > 0) throw new CliError('push and load may not be set together at the moment with other outputs');
    if (image === undefined) outputs.push({ type: 'image', attributes: { push: 'true' }, destination: '' });
    else image.attributes = { ...image.attributes, push: 'true' };
  }
  if (flags.load && !outputs.some(({ type }) => type === 'image')) outputs.push({ type: 'image', attributes: {}, destination: '' });
  return outputs;
}

async function dockerfileText(root: string, path: string, opened: { tar: () => AsyncIterable<Uint8Array> }): Promise<string> {
  if (!path.startsWith('.dockerfile.')) return readFileSync(join(root, path), 'utf8');
  // It lies elsewhere: the packer put it first.
  const { firstFile } = await import('./first-file.ts');
  return firstFile(opened.tar());
}

async function requestOf(cli: Cli, flags: Flags): Promise<Omit<NativeBuildRequest, 'ref' | 'name' | 'context' | 'contexts' | 'dockerfile' | 'ignoreText' | 'outputs' | 'check'>> {
  const endpoint = await cli.endpoint();
  const args = [...flags['build-arg'], ...proxyVariables(cli.config, flags['build-arg'], endpoint.host)];
  if (flags.squash) throw new CliError('squash is only supported with experimental mode');
  return {
    target: flags.target,
    buildArgs: Object.fromEntries(args.flatMap(argument)),
    labels: Object.fromEntries(flags.label.map((item) => pair(item))),
    annotations: flags.annotation,
    tags: flags.tag,
    platforms: flags.platform,
    noCache: flags['no-cache'],
    noCacheFilter: flags['no-cache-filter'],
    pull: flags.pull,
    addHosts: flags['add-host'],
    network: flags.network,
    shmSize: flags['shm-size'],
    ulimits: flags.ulimit.map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard })),
    cgroupParent: flags['cgroup-parent'],
    memory: flags.memory,
    memorySwap: flags['memory-swap'],
    cpuShares: flags['cpu-shares'],
    cpuPeriod: flags.cpus > 0 ? 100_000 : flags['cpu-period'],
    cpuQuota: flags.cpus > 0 ? Math.floor((flags.cpus * 100_000) / 1e9) : flags['cpu-quota'],
    cpusetCpus: flags['cpuset-cpus'],
    cpusetMems: flags['cpuset-mems'],
    secrets: Object.fromEntries(flags.secret.map(parseSecret).map((secret) => [secret.id, secretData(secret)])),
    ssh: [],
    allow: flags.allow,
    attestations: [...flags.attest.map((item) => parseAttestation(item)), ...(flags.provenance === '' ? [] : [parseAttestation(flags.provenance, 'provenance')]), ...(flags.sbom === '' ? [] : [parseAttestation(flags.sbom, 'sbom')])].filter((item) => item !== undefined),
    auth: await allCredentials(cli),
  };
}

/** A variable without a value takes the environment's, and is left out where there is none. */
function argument(item: string): [string, string][] {
  const cut = item.indexOf('=');
  if (cut >= 0) return [[item.slice(0, cut), item.slice(cut + 1)]];
  const value = process.env[item];
  return value === undefined ? [] : [[item, value]];
}

function pair(item: string): [string, string] {
  const cut = item.indexOf('=');
  return cut < 0 ? [item, ''] : [item.slice(0, cut), item.slice(cut + 1)];
}

function secretData({ id, file, env }: ParsedSecret): string {
  const variable = env ?? (file === undefined && process.env[id] !== undefined ? id : undefined);
  if (variable !== undefined) return Buffer.from(process.env[variable] ?? '').toString('base64');
  try {
    return readFileSync(file ?? id).toString('base64');
  } catch (error) {
    throw new CliError(`failed to stat ${file ?? id}: ${messageOf(error)}`);
  }
}
