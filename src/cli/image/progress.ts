import type { JsonMessage } from '#spec/wire/image.ts';
import type { Output } from '../command/io.ts';
import { humanSize } from '../format/units.ts';

/**
 * Shows a stream of progress messages: one line an item, rewritten in place on a terminal; plain lines without the
 * moving parts elsewhere. Throws the error that the stream carries. `onAux` sees the engine's results.
 */
export async function showProgress(messages: AsyncIterable<JsonMessage>, output: Output | undefined, onAux?: (aux: unknown) => void): Promise<void> {
  const lines = new Map<string, number>();
  let below = 0;
  for await (const message of messages) {
    if (message.errorDetail?.message !== undefined || message.error !== undefined) {
      throw new Error(message.errorDetail?.message ?? message.error);
    }
    if (message.aux !== undefined) {
      onAux?.(message.aux);
      continue;
    }
    if (!output) continue;
    const moving = (message.progressDetail?.total ?? 0) > 0 || (message.progressDetail?.current ?? 0) > 0;
    if (message.stream !== undefined) {
      output.write(message.stream);
      continue;
    }
    const head = message.id === undefined || message.id === '' ? '' : `${message.id}: `;
    const text = `${head}${message.status ?? ''}`;
    if (!output.terminal) {
      if (!moving) output.line(text);
      continue;
    }
    const shown = moving ? `${text} ${bar(message, output.size?.width ?? 80)}` : text;
    if (head === '') {
      output.line(shown);
      lines.clear();
      below = 0;
      continue;
    }
    const line = lines.get(head);
    if (line === undefined) {
      lines.set(head, below++);
      output.write(`${shown}\n`);
    } else {
      const up = below - line;
      output.write(`\x1b[${up}A\x1b[2K\r${shown}\r\x1b[${up}B`);
    }
  }
}

function bar(message: JsonMessage, width: number): string {
  const current = message.progressDetail?.current ?? 0;
  const total = message.progressDetail?.total ?? 0;
  if (total <= 0) return humanSize(current);
  const numbers = `${humanSize(Math.min(current, total))}/${humanSize(total)}`;
  if (width < 110) return numbers;
  const done = Math.min(50, Math.floor((current / total) * 50));
  return `[${'='.repeat(done)}${done < 50 ? '>' : ''}${' '.repeat(Math.max(0, 49 - done))}] ${numbers}`;
}
