import type { SourceRange, VertexDigest } from '../graph/vertex.ts';

/** What happens to a vertex. */
export type VertexEvent =
  | { readonly kind: 'started' }
  /** A program runs; `id` names its sandbox. */
  | { readonly kind: 'running'; readonly id: string }
  /** The result was there before. */
  | { readonly kind: 'cached' }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'canceled' }
  | { readonly kind: 'log'; readonly stream: 'stdout' | 'stderr'; readonly data: Buffer }
  /** A part of it that counts: a layer being pulled, files being sent. */
  | { readonly kind: 'status'; readonly id: string; readonly current: number; readonly total: number | undefined; readonly done: boolean };

/** What a build tells while it goes on; `at` in milliseconds since the epoch. */
export type BuildEvent =
  | {
      readonly type: 'vertex';
      readonly at: number;
      readonly vertex: VertexDigest;
      readonly name: string;
      readonly inputs: readonly VertexDigest[];
      readonly event: VertexEvent;
    }
  | { readonly type: 'warning'; readonly at: number; readonly vertex: VertexDigest | undefined; readonly rule: string; readonly message: string; readonly detail: string; readonly url: string; readonly ranges: readonly SourceRange[] };

export type Progress = (event: BuildEvent) => void;
