import type { NativeBuildEvent } from '#spec/wire/native-build.ts';
import type { Output } from '../../command/io.ts';
import { humanSize } from '../../format/units.ts';
import type { ProgressView } from './view.ts';
import { seconds, Vertices } from './vertices.ts';

/** Line after line, each with the number of its step, as buildx prints without a terminal. */
export class PlainProgress implements ProgressView {
  readonly vertices = new Vertices();
  readonly #out: Output;
  readonly #headed = new Set<number>();
  #current = 0;

  constructor(out: Output) {
    this.#out = out;
  }

  take(event: NativeBuildEvent): void {
    if (event.type !== 'vertex') return;
    const { vertex, lines } = this.vertices.take(event);
    const { number } = vertex;
    const at = ((event.at - vertex.startedAt) / 1000).toFixed(3);
    for (const line of lines) this.#line(number, vertex.name, `${at} ${line}`);
    switch (event.event.kind) {
      case 'started':
        this.#head(number, vertex.name);
        return;
      case 'status': {
        const { id, current, total, done } = event.event;
        if (done || total === undefined) this.#line(number, vertex.name, `${id} ${humanSize(current)}${done ? ' done' : ''}`);
        return;
      }
      case 'cached':
        this.#line(number, vertex.name, 'CACHED', true);
        return;
      case 'done':
        this.#line(number, vertex.name, `DONE ${seconds(vertex.endedAt - vertex.startedAt)}`, true);
        return;
      case 'failed':
        this.#line(number, vertex.name, `ERROR: ${event.event.message}`, true);
        return;
      case 'canceled':
        this.#line(number, vertex.name, 'CANCELED', true);
        return;
      case 'log':
    }
  }

  end(): void {
    // Everything was said.
  }

  #head(number: number, name: string): void {
    if (this.#current === number) return;
    if (this.#current !== 0) this.#out.line('');
    this.#current = number;
    this.#out.line(this.#headed.has(number) ? `#${number} ...` : `#${number} ${name}`);
    this.#headed.add(number);
  }

  #line(number: number, name: string, text: string, last = false): void {
    this.#head(number, name);
    this.#out.line(`#${number} ${text}`);
    if (!last) return;
    this.#out.line('');
    this.#current = 0;
  }
}
