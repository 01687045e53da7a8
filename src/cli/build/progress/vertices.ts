import type { NativeBuildEvent, NativeVertexEvent } from '#spec/wire/native-build.ts';

export type VertexEvent = Extract<NativeBuildEvent, { type: 'vertex' }>;

export interface VertexState {
  readonly number: number;
  readonly digest: string;
  readonly name: string;
  readonly inputs: readonly string[];
  state: 'waiting' | 'running' | 'done' | 'cached' | 'failed' | 'canceled';
  startedAt: number;
  endedAt: number;
  /** Last lines of output, complete ones. */
  readonly tail: string[];
  readonly statuses: Map<string, Extract<NativeVertexEvent, { kind: 'status' }>>;
  readonly partial: { stdout: string; stderr: string };
}

const TAIL = 40;

/** What is known of the steps of a build, in the order in which they were first heard of. */
export class Vertices {
  readonly all = new Map<string, VertexState>();

  take(event: VertexEvent): { vertex: VertexState; lines: string[] } {
    let vertex = this.all.get(event.vertex);
    if (vertex === undefined) {
      vertex = {
        number: this.all.size + 1, digest: event.vertex, name: event.name, inputs: event.inputs, state: 'waiting', startedAt: event.at, endedAt: 0, tail: [], statuses: new Map(),
        partial: { stdout: '', stderr: '' },
      };
      this.all.set(event.vertex, vertex);
    }
    return { vertex, lines: change(vertex, event) };
  }

  get done(): number {
    return [...this.all.values()].filter(({ state }) => state === 'done' || state === 'cached').length;
  }
}

/** Complete lines of output that came with the event. */
function change(vertex: VertexState, { event, at }: VertexEvent): string[] {
  switch (event.kind) {
    case 'started':
      vertex.state = 'running';
      vertex.startedAt = at;
      return [];
    case 'log':
      return addLog(vertex, event.stream, Buffer.from(event.data, 'base64').toString());
    case 'status':
      vertex.statuses.set(event.id, event);
      return [];
    case 'cached':
    case 'done':
    case 'failed':
    case 'canceled': {
      vertex.state = event.kind;
      vertex.endedAt = at;
      return (['stdout', 'stderr'] as const).flatMap((stream) => (vertex.partial[stream] === '' ? [] : addLog(vertex, stream, '\n')));
    }
  }
}

function addLog(vertex: VertexState, stream: 'stdout' | 'stderr', text: string): string[] {
  const parts = (vertex.partial[stream] + text).split('\n');
  vertex.partial[stream] = parts.pop() ?? '';
  const lines = parts.map((line) => line.replace(/^.*\r(?!$)/, '').replace(/\r$/, ''));
  vertex.tail.push(...lines);
  if (vertex.tail.length > TAIL) vertex.tail.splice(0, vertex.tail.length - TAIL);
  return lines;
}

export const seconds = (milliseconds: number): string => `${(Math.max(0, milliseconds) / 1000).toFixed(1)}s`;
