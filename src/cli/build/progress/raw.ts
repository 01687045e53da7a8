import type { NativeBuildEvent } from '#spec/wire/native-build.ts';
import type { Output } from '../../command/io.ts';
import type { ProgressView } from './view.ts';
import { Vertices } from './vertices.ts';

/** BuildKit's solve status, a JSON line for each event: what tools read from `--progress rawjson`. */
export class RawProgress implements ProgressView {
  readonly vertices = new Vertices();
  readonly #out: Output;

  constructor(out: Output) {
    this.#out = out;
  }

  take(event: NativeBuildEvent): void {
    if (event.type === 'warning') {
      this.#say({ warnings: [{ level: 1, short: Buffer.from(`${event.rule}: ${event.message}`).toString('base64'), detail: [Buffer.from(event.detail).toString('base64')], url: event.url }] });
      return;
    }
    if (event.type !== 'vertex') return;
    const { vertex } = this.vertices.take(event);
    const timestamp = new Date(event.at).toISOString();
    if (event.event.kind === 'log') {
      this.#say({ logs: [{ vertex: event.vertex, stream: event.event.stream === 'stdout' ? 1 : 2, data: event.event.data, timestamp }] });
    } else if (event.event.kind === 'status') {
      const { id, current, total, done } = event.event;
      this.#say({ statuses: [{ id, vertex: event.vertex, name: id, current, ...(total === undefined ? {} : { total }), timestamp, started: timestamp, ...(done ? { completed: timestamp } : {}) }] });
    } else {
      const ended = vertex.endedAt > 0;
      this.#say({
        vertexes: [{
          digest: event.vertex, name: event.name, ...(event.inputs.length === 0 ? {} : { inputs: event.inputs }), started: new Date(vertex.startedAt).toISOString(),
          ...(ended ? { completed: timestamp } : {}), ...(vertex.state === 'cached' ? { cached: true } : {}), ...(event.event.kind === 'failed' ? { error: event.event.message } : {}),
        }],
      });
    }
  }

  end(): void {
    // Each line stands by itself.
  }

  #say(value: unknown): void {
    this.#out.line(JSON.stringify(value));
  }
}
