import { Printed } from '../template/value.ts';

/** Indents JSON text by four spaces without touching its numbers, escapes and order, as Go's json.Indent does. */
export function indentJson(text: string): string {
  let out = '';
  let depth = 0;
  const newline = (): string => `\n${'    '.repeat(depth)}`;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    switch (char) {
      case ' ':
      case '\t':
      case '\r':
      case '\n':
        break;
      case '"': {
        const end = stringEnd(text, at);
        out += text.slice(at, end);
        at = end - 1;
        break;
      }
      case '{':
      case '[': {
        const close = /^\s*[}\]]/.exec(text.slice(at + 1, at + 200))?.[0];
        if (close !== undefined) {
          out += char + close.trim();
          at += close.length;
          break;
        }
        depth++;
        out += char + newline();
        break;
      }
      case '}':
      case ']':
        depth--;
        out += newline() + char;
        break;
      case ',':
        out += char + newline();
        break;
      case ':':
        out += ': ';
        break;
      default:
        out += char;
    }
  }
  return out;
}

function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

/** Parses JSON with numbers as Go's json.Number: texts that print and compare as they stand in it. */
export function parseNumbersAsText(text: string): unknown {
  const keep = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' ? new Printed(context?.source ?? String(value), value) : value;
  return JSON.parse(text, keep);
}

/** Parses JSON; integers that a double cannot hold become bigints. */
export function parseExact(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const exact = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '') ? BigInt(context?.source ?? 0) : value;
  return JSON.parse(text, exact);
}
