import type { JsonMessage } from '#spec/wire/image.ts';
import type { FrontendResult, FrontendStep } from '../frontend.ts';
import type { VertexDigest } from '../graph/vertex.ts';
import { digest } from '../solver/keys.ts';
import type { BuildEvent, VertexEvent } from '../solver/progress.ts';

/**
 * A build in the words of the classic builder, step after step in the order of the Dockerfile, although steps run side by
 * side: what a later step says waits for its turn.
 */
export class ClassicOutput {
  readonly #lines: JsonMessage[] = [];
  readonly #events = new Map<VertexDigest, VertexEvent[]>();
  readonly #seen = new Set<VertexDigest>();
  readonly #remove: boolean;
  #steps: readonly FrontendStep[] = [];
  #at = 0;
  #imageOf: (vertex: VertexDigest) => string | undefined = () => undefined;
  #headed = false;
  #running: string | undefined;
  /** Nothing was run since the stage's FROM. */
  #cached = true;
  #wake: (() => void) | undefined;
  #over = false;
  #done = false;

  constructor(options: { remove: boolean }) {
    this.#remove = options.remove;
  }

  /** `imageOf`: the image that a FROM turned out to be. */
  begin(compiled: FrontendResult, imageOf: (vertex: VertexDigest) => string | undefined): void {
    this.#imageOf = imageOf;
    this.#steps = compiled.platforms.flatMap(({ steps }) => steps);
    this.#advance();
  }

  take(event: BuildEvent): void {
    if (event.type === 'warning') return;
    const list = this.#events.get(event.vertex) ?? [];
    this.#events.set(event.vertex, list);
    list.push(event.event);
    this.#advance();
  }

  say(line: JsonMessage): void {
    this.#lines.push(line);
    this.#wake?.();
  }

  /** No more events come. What no event told of was found in the cache. */
  finish(succeeded: boolean): void {
    this.#done = succeeded;
    if (succeeded) this.#advance();
  }

  end(): void {
    this.#over = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<JsonMessage> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) yield line;
      else if (this.#over) return;
      else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
      }
    }
  }

  #advance(): void {
    for (;;) {
      const step = this.#steps[this.#at];
      if (step === undefined) return;
      if (!this.#headed) {
        this.#headed = true;
        this.#running = undefined;
        this.say({ stream: `Step ${this.#at + 1}/${this.#steps.length} : ${step.text}` });
        this.say({ stream: '\n' });
      }
      if (!this.#follow(step)) return;
      this.say({ stream: ` ---> ${this.#name(step)}\n` });
      this.#at++;
      this.#headed = false;
    }
  }

  /** True when the step is over. */
  #follow({ output, text }: FrontendStep): boolean {
    const from = /^FROM\b/i.test(text);
    if (from) this.#cached = true;
    if (output === undefined || this.#seen.has(output.vertex)) {
      if (!from) this.#metadata(text);
      return true;
    }
    const events = this.#events.get(output.vertex) ?? [];
    for (let event = events.shift(); event !== undefined; event = events.shift()) {
      switch (event.kind) {
        case 'started':
          this.#cached &&= from;
          break;
        case 'running':
          this.#running = event.id.slice(0, 12);
          this.say({ stream: ` ---> Running in ${this.#running}\n` });
          break;
        case 'log':
          this.say({ stream: event.data.toString() });
          break;
        case 'status':
          this.say({ status: event.done ? 'Pull complete' : 'Downloading', id: event.id, progressDetail: event.total === undefined ? {} : { current: event.current, total: event.total } });
          break;
        case 'cached':
          if (!from) this.say({ stream: ' ---> Using cache\n' });
          this.#seen.add(output.vertex);
          return true;
        case 'done':
          if (this.#running !== undefined && this.#remove) this.say({ stream: ` ---> Removed intermediate container ${this.#running}\n` });
          this.#seen.add(output.vertex);
          return true;
        case 'failed':
        case 'canceled':
          return false;
      }
    }
    if (!this.#done) return false;
    if (!from) this.say({ stream: ' ---> Using cache\n' });
    this.#seen.add(output.vertex);
    return true;
  }

  /** A step that changes the configuration alone: it was there before when everything below it was. */
  #metadata(text: string): void {
    if (this.#cached) {
      this.say({ stream: ' ---> Using cache\n' });
      return;
    }
    const id = digest(['metadata', this.#at, text]).slice(0, 12);
    this.say({ stream: ` ---> Running in ${id}\n` });
    if (this.#remove) this.say({ stream: ` ---> Removed intermediate container ${id}\n` });
  }

  /** The classic builder made an image of every step; these names stand for them. */
  #name({ output, text }: FrontendStep): string {
    const image = output === undefined || !/^FROM\b/i.test(text) ? undefined : this.#imageOf(output.vertex);
    return image === undefined ? digest([output, text]).slice(0, 12) : image.slice('sha256:'.length, 'sha256:'.length + 12);
  }
}
