import type { NativeBuildEvent } from '#spec/wire/native-build.ts';
import type { Output } from '../../command/io.ts';
import { humanSize } from '../../format/units.ts';
import type { ProgressView } from './view.ts';
import { seconds, Vertices, type VertexState } from './vertices.ts';

const INTERVAL = 100;
/** Lines of output that are shown below a step that runs. */
const LOG_LINES = 6;

/** A picture of the build that is drawn anew in place: what is over folds into a line, what runs shows its last output. */
export class LiveProgress implements ProgressView {
  readonly vertices = new Vertices();
  readonly #out: Output;
  readonly #began = Date.now();
  readonly #timer: NodeJS.Timeout;
  #drawn = 0;
  #dirty = true;

  constructor(out: Output) {
    this.#out = out;
    this.#timer = setInterval(() => this.#draw(false), INTERVAL);
    this.#timer.unref();
  }

  take(event: NativeBuildEvent): void {
    if (event.type !== 'vertex') return;
    this.vertices.take(event);
    this.#dirty = true;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#draw(true);
  }

  #draw(last: boolean): void {
    const running = [...this.vertices.all.values()].some(({ state }) => state === 'running');
    if (!this.#dirty && !running && !last) return;
    this.#dirty = false;
    const { width, height } = this.#out.size ?? { width: 80, height: 24 };
    const lines = renderBuild([...this.vertices.all.values()], { width: Math.max(width, 20), height: last ? Infinity : Math.max(height - 1, 3), elapsed: Date.now() - this.#began, now: Date.now(), last });
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : '';
    this.#out.write(`${up}\r\x1b[0J${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }
}

/** The picture; no line is wider than the terminal, and there are no more lines than fit. */
export function renderBuild(vertices: readonly VertexState[], options: { width: number; height: number; elapsed: number; now: number; last: boolean }): string[] {
  const { width, height, elapsed, now, last } = options;
  const shown = vertices.filter(({ state }) => state !== 'waiting');
  const done = shown.filter(({ state }) => state === 'done' || state === 'cached').length;
  const head = `[+] Building ${seconds(elapsed)} (${done}/${vertices.length})${last ? (shown.some(({ state }) => state === 'failed') ? ' ERROR' : ' FINISHED') : ''}`;
  const blocks = shown.map((vertex) => blockOf(vertex, width, now, last));
  let room = height - 1;
  const kept: string[][] = [];
  // The newest matter most; of what runs, the output goes first.
  for (const block of blocks.toReversed()) {
    const fitting = block.slice(0, Math.max(0, room));
    room -= fitting.length;
    kept.unshift(fitting);
  }
  return [cut(head, width), ...kept.flat()];
}

function blockOf(vertex: VertexState, width: number, now: number, last: boolean): string[] {
  const { state, name, startedAt, endedAt, tail, statuses } = vertex;
  const running = state === 'running';
  const time = seconds((running ? now : endedAt) - startedAt);
  const mark = state === 'cached' ? 'CACHED ' : state === 'failed' ? 'ERROR ' : state === 'canceled' ? 'CANCELED ' : '';
  const lines = [aligned(` => ${mark}${name}`, time, width)];
  if (!running || last) return lines;
  for (const { id, current, total, done } of [...statuses.values()].slice(-3)) {
    lines.push(cut(` => => ${id} ${humanSize(current)}${total === undefined ? '' : ` / ${humanSize(total)}`}${done ? ' done' : ''}`, width));
  }
  for (const line of tail.slice(-LOG_LINES)) lines.push(cut(` => => # ${line.replaceAll('\t', '  ')}`, width));
  return lines;
}

function aligned(text: string, time: string, width: number): string {
  const room = width - time.length - 1;
  const short = cut(text, room);
  return `${short}${' '.repeat(Math.max(1, width - columns(short) - time.length))}${time}`;
}

function cut(text: string, width: number): string {
  const plain = text.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]/g, '');
  let used = 0;
  let at = 0;
  for (const char of plain) {
    used += columns(char);
    if (used > width) break;
    at += char.length;
  }
  return plain.slice(0, at);
}

/** Wide letters take two columns. */
const columns = (text: string): number => {
  let count = 0;
  for (const char of text) count += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u.test(char) ? 2 : 1;
  return count;
};
