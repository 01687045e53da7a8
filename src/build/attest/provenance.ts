import { renderPlatform } from '#image/platform.ts';
import type { Platform } from '#spec/oci-image.ts';
import type { Graph } from '../graph/vertex.ts';

export interface Material {
  uri: string;
  /** `sha256:...` or a commit. */
  digest: string | undefined;
}

export interface ProvenanceFacts {
  mode: 'min' | 'max';
  ref: string;
  platform: Platform;
  dockerfile: string;
  target: string;
  buildArgs: Readonly<Record<string, string>>;
  labels: Readonly<Record<string, string>>;
  materials: readonly Material[];
  startedOn: string;
  finishedOn: string;
  graph: Graph;
}

export const PROVENANCE = 'https://slsa.dev/provenance/v0.2';

/** How an image was made, as a SLSA provenance predicate in BuildKit's build type. `max` tells arguments and steps, too. */
export function provenance(facts: ProvenanceFacts): Record<string, unknown> {
  const max = facts.mode === 'max';
  const args = {
    ...(facts.target === '' ? {} : { target: facts.target }),
    ...Object.fromEntries(Object.entries(facts.buildArgs).map(([name, value]) => [`build-arg:${name}`, value])),
    ...Object.fromEntries(Object.entries(facts.labels).map(([name, value]) => [`label:${name}`, value])),
  };
  return {
    builder: { id: '' },
    buildType: 'https://mobyproject.org/buildkit@v1',
    materials: facts.materials.map(({ uri, digest }) => ({ uri, ...(digest === undefined ? {} : { digest: digest.startsWith('sha256:') ? { sha256: digest.slice(7) } : { sha1: digest } }) })),
    invocation: {
      configSource: { entryPoint: facts.dockerfile },
      parameters: { frontend: 'dockerfile.v0', ...(max ? { args } : {}), locals: [{ name: 'context' }, { name: 'dockerfile' }] },
      environment: { platform: renderPlatform(facts.platform) },
    },
    ...(max ? { buildConfig: { llbDefinition: steps(facts.graph) } } : {}),
    metadata: {
      buildInvocationID: facts.ref,
      buildStartedOn: facts.startedOn,
      buildFinishedOn: facts.finishedOn,
      completeness: { parameters: max, environment: true, materials: facts.materials.every(({ digest }) => digest !== undefined) },
      reproducible: false,
    },
  };
}

function steps(graph: Graph): unknown[] {
  const numbers = new Map([...graph.vertices.keys()].map((digest, index) => [digest, index]));
  return [...graph.vertices.values()].map(({ op, inputs, meta }, index) => ({
    id: `step${index}`,
    op: { Op: op.kind === 'exec' ? { exec: { meta: { args: op.meta.args, cwd: op.meta.cwd, user: op.meta.user } } } : op.kind === 'source' ? { source: { identifier: op.identifier } } : { [op.kind]: {} } },
    inputs: inputs.map(({ vertex, index: output }) => `step${numbers.get(vertex) ?? 0}:${output}`),
    name: meta.name,
  }));
}
