/** The smallest Dockerfile: FROM, RUN, COPY, ENV, WORKDIR, USER, LABEL and CMD. */
import { EngineError, invalid } from '#base/errors.ts';
import type { ImageConfigFile, Platform } from '#spec/oci-image.ts';
import type { Frontend } from './builder.ts';
import type { FrontendStep } from './frontend.ts';
import { makeVertex, type Output, type Vertex, type VertexDigest } from './graph/vertex.ts';

export const compileDockerfile: Frontend = async (request) => {
  const vertices = new Map<VertexDigest, Vertex>();
  const platform: Platform = request.platforms[0] ?? request.buildPlatform;
  const add = (parts: Omit<Vertex, 'digest' | 'platform'>): Output => {
    const vertex = makeVertex({ ...parts, platform });
    vertices.set(vertex.digest, vertex);
    return { vertex: vertex.digest, index: 0 };
  };
  const stages = new Map<string, { output: Output | undefined; config: ImageConfigFile }>();
  const steps: FrontendStep[] = [];
  let output: Output | undefined;
  let base: ImageConfigFile | undefined;
  let config: ImageConfigFile = { architecture: platform.architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, history: [] };
  let name = '';
  const lines = request.text.replaceAll('\\\n', ' ').split('\n');
  const meta = (text: string, line: number): Vertex['meta'] => ({ name: text, ignoreCache: request.noCache, ranges: [{ file: request.fileName, start: line, end: line }] });
  for (const [at, raw] of lines.entries()) {
    const text = raw.trim();
    if (text === '' || text.startsWith('#')) continue;
    const [word = '', ...rest] = text.split(/\s+/);
    const value = text.slice(word.length).trim();
    const run = config.config ?? {};
    switch (word.toUpperCase()) {
      case 'FROM': {
        const known = stages.get(rest[0] ?? '');
        name = rest[1]?.toUpperCase() === 'AS' ? (rest[2] ?? '') : String(stages.size);
        if (known !== undefined) ({ output, config } = known);
        else if (rest[0] === 'scratch') output = undefined;
        else {
          const found = await request.resolveImage(rest[0] ?? '', { platform, scheme: 'docker-image', logName: '' });
          config = found.config;
          base = found.config;
          output = add({ inputs: [], op: { kind: 'source', identifier: `docker-image://${rest[0] ?? ''}`, attributes: {} }, meta: meta(text, at + 1) });
        }
        break;
      }
      case 'RUN': {
        const args = value.startsWith('[') ? (JSON.parse(value) as string[]) : ['/bin/sh', '-c', value];
        output = add({
          inputs: output === undefined ? [] : [output],
          op: {
            kind: 'exec',
            meta: { args, env: run.Env ?? [], cwd: run.WorkingDir ?? '/', user: run.User ?? '', hostname: '', extraHosts: [], ulimits: [], cgroupParent: '', validExitCodes: [], proxy: undefined },
            mounts: [{ type: 'bind', destination: '/', input: output === undefined ? -1 : 0, selector: '', output: 0, readOnly: false }],
            network: request.networkMode, security: 'sandbox', secretEnv: [],
          },
          meta: meta(text, at + 1),
        });
        config = { ...config, history: [...(config.history ?? []), { created_by: `RUN ${value} # buildkit` }] };
        break;
      }
      case 'COPY': {
        const from = /^--from=/.test(rest[0] ?? '') ? rest.shift()?.slice(7) : undefined;
        const destination = rest.at(-1) ?? '';
        const local = from === undefined ? add({ inputs: [], op: { kind: 'source', identifier: 'local://context', attributes: {} }, meta: meta('load context', at + 1) }) : stages.get(from)?.output;
        if (local === undefined) throw invalid(`unknown stage ${from ?? ''}`);
        output = add({
          inputs: output === undefined ? [local] : [output, local],
          op: {
            kind: 'file',
            actions: rest.slice(0, -1).map((source, index, all) => ({
              action: 'copy', input: index > 0 ? (output === undefined ? 1 : 2) + index - 1 : output === undefined ? -1 : 0, secondary: output === undefined ? 0 : 1,
              output: index === all.length - 1 ? 0 : -1, source, destination, owner: undefined, mode: '', followSymlink: true, directoryContentsOnly: true, attemptUnpack: false,
              alwaysReplaceExisting: false, createDestinationPath: true, allowWildcard: true, allowEmptyWildcard: true, includePatterns: [], excludePatterns: [], timestamp: -1,
            })),
          },
          meta: meta(text, at + 1),
        });
        config = { ...config, history: [...(config.history ?? []), { created_by: `COPY ${value} # buildkit` }] };
        break;
      }
      case 'ENV':
        config = { ...config, config: { ...run, Env: [...(run.Env ?? []), value] }, history: [...(config.history ?? []), { created_by: text, empty_layer: true }] };
        break;
      case 'WORKDIR':
        config = { ...config, config: { ...run, WorkingDir: value }, history: [...(config.history ?? []), { created_by: text, empty_layer: true }] };
        break;
      case 'USER':
        config = { ...config, config: { ...run, User: value }, history: [...(config.history ?? []), { created_by: text, empty_layer: true }] };
        break;
      case 'CMD':
        config = { ...config, config: { ...run, Cmd: value.startsWith('[') ? (JSON.parse(value) as string[]) : ['/bin/sh', '-c', value] }, history: [...(config.history ?? []), { created_by: text, empty_layer: true }] };
        break;
      default:
        throw invalid(`dockerfile parse error on line ${at + 1}: unknown instruction: ${word}`);
    }
    stages.set(name, { output, config });
    steps.push({ text, output, config });
  }
  if (steps.length === 0) throw new EngineError('invalid_argument', 'file with no instructions');
  return { graph: { vertices }, platforms: [{ platform, output, config, base, steps }], warnings: [], contextPaths: undefined, epoch: undefined };
};
