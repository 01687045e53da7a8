import type { LineRange } from '../frontend.ts';

/** How many lines are shown before and after, and how long a line may be. */
const limits = { around: 2, width: 400, lines: 60 } as const;

/**
 * The lines that an error is about, with two or so around them, as BuildKit draws them; empty when there are none. Ends
 * with a newline.
 */
export function drawExcerpt(fileName: string, text: string, ranges: readonly LineRange[]): string {
  const lines = text.split(/\r?\n/);
  const marked = ranges.filter(({ start }) => start >= 1 && start <= lines.length);
  const [first] = marked;
  if (first === undefined) return '';
  let start = Math.min(...marked.map((range) => range.start));
  let end = Math.min(Math.max(...marked.map((range) => range.end)), lines.length);
  const height = end - start;
  for (let pad = 0; height + 2 * pad < 2 * limits.around && pad < limits.around; pad++) {
    if (start > 1) start--;
    if (end < lines.length) end++;
  }
  const from = start;
  const rows = lines.slice(from - 1, Math.min(end, from - 1 + limits.lines)).map((line, index) => {
    const number = from + index;
    const mark = marked.some((range) => number >= range.start && number <= range.end) ? '>>>' : '   ';
    return `${String(number).padStart(4)} | ${mark} ${line.length > limits.width ? `${line.slice(0, limits.width)}...` : line}`;
  });
  return [`${fileName}:${first.start}`, '-'.repeat(20), ...rows, '-'.repeat(20), ''].join('\n');
}
