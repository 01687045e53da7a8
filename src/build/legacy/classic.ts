import { codeOf, EngineError, invalid, messageOf, notImplemented, wrap } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import type { Platform } from '#spec/oci-image.ts';
import type { ClassicBuildRequest } from '#spec/wire/build.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import { nameImage } from '#image/context.ts';
import { familiar, type ImageRecord } from '#image/image-store.ts';
import { parsePlatform } from '#image/platform.ts';
import type { Builder, BuildOrder } from '../builder.ts';
import { isParseFailure } from '../dockerfile/failure.ts';
import { contextFromTar, type SentContext } from '../context/contexts.ts';
import { tagNames } from '../export/names.ts';
import { hostOf } from '../native/order.ts';
import { finishConfig, stackImage, storeImage } from '../export/image.ts';
import { readInTree } from '../read-in-tree.ts';
import { StepError } from '../solver/solver.ts';
import { ClassicOutput } from './classic-output.ts';

const MAX_DOCKERFILE = 16 << 20;
const CONTEXT = 'context';

/** POST /build: a tar in, the classic builder's lines out. Failures before the first line are thrown, later ones are the last line. */
export async function* classicBuild(builder: Builder, request: ClassicBuildRequest, body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<JsonMessage> {
  const names = checkRequest(request);
  using context = await classicContext(builder, request, body, signal);
  const order = classicOrder(request, context);
  const controller = new AbortController();
  const stop = (): void => controller.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const output = new ClassicOutput({ remove: request.remove });
  let failure: unknown;
  const building = run(builder, order, names, request, output, controller.signal)
    .catch((error: unknown) => void (failure = error))
    .finally(() => output.end());
  try {
    yield* request.quiet ? quietLines(output) : output;
    await building;
    if (failure !== undefined) throw classicError(failure);
  } finally {
    controller.abort(new EngineError('internal', 'the client closed the connection'));
    signal.removeEventListener('abort', stop);
    await building;
    context[Symbol.dispose]();
    await builder.layers.collect();
    builder.collector.tidy();
  }
}

async function* quietLines(output: ClassicOutput): AsyncGenerator<JsonMessage> {
  for await (const line of output) if (line.stream?.startsWith('sha256:') === true) yield line;
}

function checkRequest(request: ClassicBuildRequest): string[] {
  if (request.version !== '' && request.version !== '1') {
    throw request.version === '2'
      ? notImplemented('building through BuildKit sessions is not there yet: set DOCKER_BUILDKIT=0, or use "gantry build"')
      : invalid(`invalid version ${JSON.stringify(request.version)}`);
  }
  if (request.squash) throw invalid('squash is only supported with experimental mode');
  if (request.outputs !== '' && request.outputs !== '[]') throw invalid('outputs are only supported by BuildKit');
  if (request.securityOpt.length > 0) throw invalid('The daemon on this platform does not support setting security options on build');
  return tagNames(request.tags);
}

async function classicContext(builder: Builder, request: ClassicBuildRequest, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<SentContext> {
  if (request.remote !== '') return builder.remote.context(request.remote, signal);
  return contextFromTar(body, { layers: builder.layers, jail: builder.options.jail });
}

function classicOrder(request: ClassicBuildRequest, context: SentContext): BuildOrder {
  const fileName = context.dockerfile ?? (request.dockerfile === '' ? 'Dockerfile' : request.dockerfile);
  const content = readInTree(context.folder, fileName, MAX_DOCKERFILE) ?? (request.dockerfile === '' ? readInTree(context.folder, 'dockerfile', MAX_DOCKERFILE) : undefined);
  if (content === undefined) throw invalid(`Cannot locate specified Dockerfile: ${fileName}`);
  if (content.length === 0) throw invalid(`the Dockerfile (${fileName}) cannot be empty`);
  const platforms: Platform[] = request.platform === '' ? [] : [parsePlatform(request.platform)];
  const network = networkOf(request.networkMode);
  return {
    ref: request.buildId === '' ? newId().slice(0, 25) : request.buildId,
    frontend: {
      text: content.toString(), fileName, target: request.target,
      buildArgs: Object.fromEntries(Object.entries(request.buildArgs).filter((entry): entry is [string, string] => entry[1] !== null)),
      labels: request.labels, platforms, noCache: request.noCache, noCacheFilter: [], resolveMode: request.pull ? 'pull' : 'default',
      addHosts: request.extraHosts.map(hostOf), networkMode: network.mode, shmSize: request.shmSize,
      ulimits: request.ulimits.map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard })),
      cgroupParent: request.cgroupParent, hostname: '', cacheIdNamespace: '', context: { kind: 'local', name: CONTEXT },
      namedContexts: new Map(), ignoreText: readInTree(context.folder, '.dockerignore', MAX_DOCKERFILE)?.toString() ?? '',
    },
    contexts: new Map([[CONTEXT, context]]),
    wish: { mode: request.pull ? 'pull' : 'default', auth: request.auth },
    secrets: new Map(),
    ssh: { socket: () => Promise.resolve(undefined) },
    // The classic builder asks nobody.
    entitlements: new Set(['network.host']),
    limits: {
      memory: request.memory, memorySwap: request.memorySwap, cpuShares: request.cpuShares, cpuPeriod: request.cpuPeriod, cpuQuota: request.cpuQuota,
      cpusetCpus: request.cpusetCpus, cpusetMems: request.cpusetMems, cgroupParent: request.cgroupParent,
    },
    shmSize: request.shmSize,
    networkName: network.name,
    announced: true,
  };
}

function networkOf(mode: string): { mode: 'sandbox' | 'host' | 'none'; name: string | undefined } {
  if (mode === 'host' || mode === 'none') return { mode, name: undefined };
  return { mode: 'sandbox', name: mode === '' || mode === 'default' || mode === 'bridge' ? undefined : mode };
}

async function run(builder: Builder, order: BuildOrder, names: readonly string[], request: ClassicBuildRequest, output: ClassicOutput, signal: AbortSignal): Promise<void> {
  try {
    await using built = await builder.build(order, (event) => output.take(event), signal, (compiled, sources) => output.begin(compiled, (vertex) => sources.idOf(vertex)));
    output.finish(true);
    if (built.platforms.every(({ result }) => result.output === undefined && (result.config.history ?? []).length === 0)) throw new EngineError('internal', 'No image was generated. Is your Dockerfile empty?');
    let image: ImageRecord | undefined;
    for (const { result, tree } of built.platforms) {
      const { images } = builder.options;
      const stacked = await stackImage(tree, { layers: builder.layers, images });
      const times = tree.map((ref) => builder.layers.madeAt(ref));
      image = storeImage(stacked, finishConfig(result.config, stacked.diffIds, times, { epoch: built.frontend.epoch, made: (key) => builder.madeFirst(key, request.noCache) }), { images });
    }
    if (image === undefined) throw new EngineError('internal', 'the build gave nothing');
    signal.throwIfAborted();
    const id = image.id;
    const { unusedArgs } = built.frontend;
    if (unusedArgs.length > 0 && !request.quiet) output.say({ stream: `[Warning] One or more build-args [${unusedArgs.join(' ')}] were not consumed\n` });
    if (request.quiet) output.say({ stream: `${id}\n` });
    else {
      output.say({ aux: { ID: id } });
      output.say({ stream: `Successfully built ${id.slice('sha256:'.length, 'sha256:'.length + 12)}\n` });
    }
    for (const name of names) {
      nameImage(builder.options.images, image, name);
      output.say({ stream: `Successfully tagged ${familiar(name)}\n` });
    }
  } catch (error) {
    output.finish(false);
    throw error;
  }
}

/** In the classic builder's words, with the exit code where a program had one. */
function classicError(error: unknown): EngineError {
  if (isParseFailure(error)) return wrap(error, 'failed to parse Dockerfile');
  if (!(error instanceof StepError)) return error instanceof EngineError ? error : new EngineError(codeOf(error), messageOf(error), { cause: error });
  const missing = error.vertex.op.kind === 'file' && error.code === 'not_found' ? /^"\/?(.*)": not found$/.exec(error.message)?.[1] : undefined;
  if (missing !== undefined) {
    const word = /\b(COPY|ADD)\b/.exec(error.vertex.meta.name)?.[1] ?? 'COPY';
    return new EngineError('internal', `${word} failed: file not found in build context or excluded by .dockerignore: stat ${missing}: file does not exist`, { cause: error });
  }
  const { exitCode, args, oomKilled, refusal } = error.details;
  // What could not be started has no exit code.
  if (typeof refusal === 'string') return new EngineError('internal', refusal, { cause: error });
  if (typeof exitCode !== 'number' || !Array.isArray(args)) return error;
  const memory = oomKilled === true ? ' (killed for want of memory)' : '';
  return new EngineError('internal', `The command '${args.join(' ')}' returned a non-zero code: ${exitCode}${memory}`, { cause: error, details: { exitCode } });
}
