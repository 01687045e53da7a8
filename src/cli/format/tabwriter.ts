import { displayWidth } from './units.ts';

/**
 * Elastic tab stops as Go's text/tabwriter sets them: a column is a run of consecutive lines that have a tab-terminated
 * cell at that place; each is as wide as its widest cell plus the padding, at least `minimum`.
 */
export function alignTabs(text: string, minimum = 10, padding = 3): string {
  if (!text.includes('\t')) return text;
  const lines = text.split('\n').map((line) => line.split('\t'));
  const widths: number[] = [];
  let out = '';
  let done = 0;

  const write = (until: number): void => {
    for (; done < until; done++) {
      const cells = lines[done] ?? [];
      for (const [at, cell] of cells.entries()) {
        const width = widths[at];
        out += at < cells.length - 1 && width !== undefined ? cell + ' '.repeat(Math.max(0, width - displayWidth(cell))) : cell;
      }
      if (done < lines.length - 1) out += '\n';
    }
  };
  const block = (from: number, to: number): void => {
    const column = widths.length;
    for (let at = from; at < to; at++) {
      if (column >= (lines[at]?.length ?? 0) - 1) continue;
      write(at);
      let width = minimum;
      let end = at;
      for (; end < to && column < (lines[end]?.length ?? 0) - 1; end++) {
        width = Math.max(width, displayWidth(lines[end]?.[column] ?? '') + padding);
      }
      widths.push(width);
      block(at, end);
      widths.pop();
      at = end - 1;
    }
    write(to);
  };
  block(0, lines.length);
  return out;
}
