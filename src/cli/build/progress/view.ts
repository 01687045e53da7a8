import type { NativeBuildEvent } from '#spec/wire/native-build.ts';
import type { Vertices } from './vertices.ts';

/** A way to show a build. */
export interface ProgressView {
  readonly vertices: Vertices;
  take(event: NativeBuildEvent): void;
  /** Nothing more comes. */
  end(): void;
}
