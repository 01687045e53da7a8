/** Tokens of Go's text/template, as far as actions go. */
export type TokenKind =
  | 'text' | 'left' | 'right' | 'field' | 'variable' | 'identifier' | 'string' | 'number' | 'char' | 'dot'
  | '|' | '(' | ')' | ':=' | '=' | ',' | 'space' | 'end of file';

export interface Token {
  kind: TokenKind;
  text: string;
  /** Offset in the template. */
  pos: number;
}

/** Carries the message without Go's `template: :line:` prefix. */
export class TemplateSyntaxError extends Error {
  readonly pos: number;
  constructor(message: string, pos: number) {
    super(message);
    this.pos = pos;
  }
}

const patterns: readonly [TokenKind, RegExp][] = [
  ['space', /[ \t\r\n]+/y],
  ['string', /"(?:[^"\\\n]|\\.)*"|`[^`]*`/y],
  ['char', /'(?:[^'\\\n]|\\.)+'/y],
  ['number', /[+-]?(?:0[xXoObB][\da-fA-F_]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)/y],
  // Any character beyond ASCII counts as a letter: telling which is one costs a millisecond at start.
  ['field', /\.[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*/y],
  ['variable', /\$[\w\u0080-\uffff]*/y],
  ['identifier', /[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*/y],
  ['dot', /\./y],
  [':=', /:=/y],
  ['=', /=/y],
  ['|', /\|/y],
  ['(', /\(/y],
  [')', /\)/y],
  [',', /,/y],
];

const trimRight = /[ \t\r\n]+$/;
const trimLeft = /^[ \t\r\n]+/;

export function lex(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trimNext = false;
  while (at < source.length) {
    const open = source.indexOf('{{', at);
    let plain = open < 0 ? source.slice(at) : source.slice(at, open);
    if (trimNext) plain = plain.replace(trimLeft, '');
    const trims = open >= 0 && /^\{\{-[ \t\r\n]/.test(source.slice(open, open + 4));
    if (trims) plain = plain.replace(trimRight, '');
    if (plain !== '') tokens.push({ kind: 'text', text: plain, pos: at });
    if (open < 0) break;
    at = open + (trims ? 3 : 2);
    const comment = /^[ \t\r\n]*\/\*/.exec(source.slice(at));
    if (comment) {
      const close = source.indexOf('*/', at + comment[0].length);
      if (close < 0) throw new TemplateSyntaxError('unclosed comment', at);
      const after = /^([ \t\r\n]-)?\}\}/.exec(source.slice(close + 2));
      if (!after) throw new TemplateSyntaxError('comment ends before closing delimiter', at);
      trimNext = after[1] !== undefined;
      at = close + 2 + after[0].length;
      continue;
    }
    tokens.push({ kind: 'left', text: '{{', pos: open });
    [at, trimNext] = lexAction(source, at, tokens);
  }
  tokens.push({ kind: 'end of file', text: 'EOF', pos: source.length });
  return tokens;
}

function lexAction(source: string, start: number, tokens: Token[]): [at: number, trimNext: boolean] {
  let at = start;
  let depth = 0;
  for (;;) {
    const close = /^(?:[ \t\r\n]+-)?\}\}/.exec(source.slice(at, at + 64));
    if (close) {
      if (depth > 0) throw new TemplateSyntaxError('unclosed left paren', at);
      tokens.push({ kind: 'right', text: '}}', pos: at });
      return [at + close[0].length, close[0].length > 2];
    }
    if (at >= source.length) throw new TemplateSyntaxError('unclosed action', start);
    const token = lexOne(source, at);
    if (token.kind === '(') depth++;
    if (token.kind === ')' && --depth < 0) throw new TemplateSyntaxError('unexpected right paren', at);
    tokens.push(token);
    at += token.text.length;
  }
}

function lexOne(source: string, at: number): Token {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (!match) continue;
    // A sign or a dot starts a number only where an operand may start.
    return { kind, text: match[0], pos: at };
  }
  const char = String.fromCodePoint(source.codePointAt(at) ?? 0);
  if (char === '"') throw new TemplateSyntaxError('unterminated quoted string', at);
  if (char === '`') throw new TemplateSyntaxError('unterminated raw quoted string', at);
  throw new TemplateSyntaxError(`unexpected ${JSON.stringify(char)} in operand`, at);
}
