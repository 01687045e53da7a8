import { lex, TemplateSyntaxError, type Token, type TokenKind } from './lex.ts';

export type Operand =
  | { kind: 'dot'; pos: number }
  | { kind: 'nil'; pos: number }
  | { kind: 'literal'; pos: number; value: string | number | boolean; source: string }
  | { kind: 'field'; pos: number; names: readonly string[] }
  | { kind: 'variable'; pos: number; name: string; names: readonly string[] }
  | { kind: 'function'; pos: number; name: string }
  | { kind: 'chain'; pos: number; of: Operand; names: readonly string[] }
  | { kind: 'pipe'; pos: number; pipe: Pipe };

export interface Pipe {
  pos: number;
  variables: readonly string[];
  assigns: boolean;
  commands: readonly (readonly Operand[])[];
  source: string;
}

export type TemplateNode =
  | { kind: 'text'; text: string }
  | { kind: 'action'; pipe: Pipe }
  | { kind: 'if' | 'with' | 'range'; pos: number; pipe: Pipe; body: TemplateNode[]; otherwise: TemplateNode[] | undefined }
  | { kind: 'break' | 'continue' }
  | { kind: 'template'; pos: number; name: string; pipe: Pipe | undefined };

export interface ParsedTemplate {
  root: TemplateNode[];
  named: Map<string, TemplateNode[]>;
  source: string;
}

/** Throws an Error worded as Go words it: `template: :1: unclosed action`. */
export function parseTemplate(source: string, functions: ReadonlySet<string>): ParsedTemplate {
  try {
    return new Parser(source, functions).parse();
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    const line = source.slice(0, error.pos).split('\n').length;
    throw new Error(`template: :${line}: ${error.message}`, { cause: error });
  }
}

class Parser {
  readonly #source: string;
  readonly #functions: ReadonlySet<string>;
  readonly #tokens: Token[];
  readonly #named = new Map<string, TemplateNode[]>();
  #variables: string[] = ['$'];
  #at = 0;
  #loops = 0;

  constructor(source: string, functions: ReadonlySet<string>) {
    this.#source = source;
    this.#functions = functions;
    this.#tokens = lex(source);
  }

  parse(): ParsedTemplate {
    const { nodes, stop } = this.#list([]);
    if (stop !== 'EOF') this.#fail(`unexpected {{${stop}}}`);
    return { root: nodes, named: this.#named, source: this.#source };
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end of file', text: 'EOF', pos: this.#source.length };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #skipSpace(): void {
    while (this.#peek().kind === 'space') this.#at++;
  }

  #fail(message: string): never {
    throw new TemplateSyntaxError(message, this.#peek().pos);
  }

  #expect(kind: TokenKind, context: string): Token {
    this.#skipSpace();
    const token = this.#next();
    if (token.kind !== kind) this.#unexpected(token, context);
    return token;
  }

  #unexpected(token: Token, context: string): never {
    const shown = token.kind === 'end of file' ? 'EOF' : token.kind === 'right' ? '"}}"' : `${['(', ')', '|', ',', '=', ':='].includes(token.kind) ? '' : `<${token.text}>`}`;
    throw new TemplateSyntaxError(`unexpected ${shown === '' ? JSON.stringify(token.text) : shown} in ${context}`, token.pos);
  }

  #list(stops: readonly string[]): { nodes: TemplateNode[]; stop: string } {
    const nodes: TemplateNode[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === 'end of file') {
        if (stops.length > 0) throw new TemplateSyntaxError('unexpected EOF', token.pos);
        return { nodes, stop: 'EOF' };
      }
      if (token.kind === 'text') {
        nodes.push({ kind: 'text', text: token.text });
        continue;
      }
      this.#skipSpace();
      const word = this.#peek();
      if (word.kind === 'identifier' && ['end', 'else'].includes(word.text)) {
        this.#at++;
        if (word.text === 'end') this.#expect('right', 'end');
        return { nodes, stop: word.text };
      }
      const node = word.kind === 'identifier' ? this.#keyword(word) : undefined;
      if (node === 'defined') continue;
      nodes.push(node ?? { kind: 'action', pipe: this.#pipe('command') });
    }
  }

  #keyword(word: Token): TemplateNode | 'defined' | undefined {
    switch (word.text) {
      case 'if':
      case 'with':
      case 'range':
        this.#at++;
        return this.#control(word.text, word.pos);
      case 'break':
      case 'continue':
        this.#at++;
        if (this.#loops === 0) this.#fail(`{{${word.text}}} outside {{range}}`);
        this.#expect('right', word.text);
        return { kind: word.text };
      case 'define':
      case 'block': {
        this.#at++;
        this.#skipSpace();
        const name = unquote(this.#expect('string', `${word.text} clause`).text);
        const pipe = word.text === 'block' ? this.#pipe('block clause') : undefined;
        if (!pipe) this.#expect('right', 'define clause');
        this.#named.set(name, this.#list(['end']).nodes);
        return pipe ? { kind: 'template', pos: word.pos, name, pipe } : 'defined';
      }
      case 'template': {
        this.#at++;
        this.#skipSpace();
        const name = unquote(this.#expect('string', 'template clause').text);
        this.#skipSpace();
        if (this.#peek().kind === 'right') {
          this.#at++;
          return { kind: 'template', pos: word.pos, name, pipe: undefined };
        }
        return { kind: 'template', pos: word.pos, name, pipe: this.#pipe('template clause') };
      }
      default:
        return undefined;
    }
  }

  #control(kind: 'if' | 'with' | 'range', pos: number): TemplateNode {
    const scope = this.#variables.length;
    const pipe = this.#pipe(kind);
    if (kind === 'range') this.#loops++;
    const { nodes: body, stop } = this.#list(['end', 'else']);
    if (kind === 'range') this.#loops--;
    let otherwise: TemplateNode[] | undefined;
    if (stop === 'else') {
      this.#skipSpace();
      const word = this.#peek();
      if (word.kind === 'identifier' && word.text === kind && kind !== 'range') {
        this.#at++;
        otherwise = [this.#control(kind, word.pos)];
      } else {
        this.#expect('right', 'else');
        otherwise = this.#list(['end']).nodes;
      }
    }
    this.#variables.length = scope;
    return { kind, pos, pipe, body, otherwise };
  }

  /** Up to and including the closing delimiter. */
  #pipe(context: string): Pipe {
    const pipe = this.#pipeline(context, 'right');
    this.#at++;
    return pipe;
  }

  #pipeline(context: string, end: TokenKind): Pipe {
    this.#skipSpace();
    const start = this.#peek().pos;
    const { variables, assigns } = this.#declarations(context);
    const commands: Operand[][] = [];
    let command: Operand[] = [];
    for (;;) {
      this.#skipSpace();
      const token = this.#peek();
      if (token.kind === end || token.kind === '|') {
        if (command.length === 0) this.#fail(commands.length === 0 && token.kind === end ? `missing value for ${context}` : token.kind === '|' && commands.length === 0 ? `missing value for ${context}` : 'empty command');
        const first = command[0];
        if (commands.length > 0 && first && ['literal', 'dot', 'nil'].includes(first.kind)) {
          throw new TemplateSyntaxError(`non executable command in pipeline stage ${commands.length + 1}`, token.pos);
        }
        commands.push(command);
        command = [];
        if (token.kind === end) {
          return { pos: start, variables, assigns, commands, source: this.#source.slice(start, token.pos).trim() };
        }
        this.#at++;
        continue;
      }
      command.push(this.#operand(context));
      const after = this.#peek();
      if (!['space', 'right', ')', '|'].includes(after.kind)) this.#unexpected(after, 'operand');
    }
  }

  #declarations(context: string): { variables: string[]; assigns: boolean } {
    const saved = this.#at;
    const variables: string[] = [];
    for (;;) {
      this.#skipSpace();
      const token = this.#peek();
      if (token.kind !== 'variable') break;
      this.#at++;
      this.#skipSpace();
      const after = this.#peek();
      if (after.kind === ':=' || after.kind === '=') {
        this.#at++;
        variables.push(token.text);
        if (after.kind === ':=') this.#variables.push(...variables);
        return { variables, assigns: after.kind === '=' };
      }
      if (after.kind !== ',' || context !== 'range') break;
      this.#at++;
      variables.push(token.text);
    }
    this.#at = saved;
    return { variables: [], assigns: false };
  }

  #operand(context: string): Operand {
    const base = this.#term(context);
    if (this.#peek().kind !== 'field') return base;
    const { pos } = this.#peek();
    const names: string[] = [];
    while (this.#peek().kind === 'field') names.push(this.#next().text.slice(1));
    if (base.kind === 'field') return { kind: 'field', pos, names: [...base.names, ...names] };
    if (base.kind === 'variable') return { ...base, pos, names };
    if (base.kind === 'literal' || base.kind === 'nil' || base.kind === 'dot') this.#fail(`unexpected . after term ${JSON.stringify(this.#source.slice(base.pos, pos))}`);
    return { kind: 'chain', pos, of: base, names };
  }

  #term(context: string): Operand {
    const token = this.#next();
    switch (token.kind) {
      case 'dot':
        return { kind: 'dot', pos: token.pos };
      case 'field':
        return { kind: 'field', pos: token.pos, names: [token.text.slice(1)] };
      case 'variable':
        if (!this.#variables.includes(token.text)) throw new TemplateSyntaxError(`undefined variable ${JSON.stringify(token.text)}`, token.pos);
        return { kind: 'variable', pos: token.pos, name: token.text, names: [] };
      case 'string':
        return { kind: 'literal', pos: token.pos, value: unquote(token.text), source: token.text };
      case 'char':
        return { kind: 'literal', pos: token.pos, value: unquote(`"${token.text.slice(1, -1)}"`).codePointAt(0) ?? 0, source: token.text };
      case 'number': {
        const value = Number(token.text.replaceAll('_', ''));
        if (Number.isNaN(value)) throw new TemplateSyntaxError(`bad number syntax: ${JSON.stringify(token.text)}`, token.pos);
        return { kind: 'literal', pos: token.pos, value, source: token.text };
      }
      case 'identifier':
        if (token.text === 'true' || token.text === 'false') return { kind: 'literal', pos: token.pos, value: token.text === 'true', source: token.text };
        if (token.text === 'nil') return { kind: 'nil', pos: token.pos };
        if (!this.#functions.has(token.text)) throw new TemplateSyntaxError(`function ${JSON.stringify(token.text)} not defined`, token.pos);
        return { kind: 'function', pos: token.pos, name: token.text };
      case '(': {
        const pipe = this.#pipeline('parenthesized pipeline', ')');
        this.#at++;
        return { kind: 'pipe', pos: token.pos, pipe };
      }
      default:
        return this.#unexpected(token, context);
    }
  }
}

const escapes: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\', '"': '"', "'": "'" };

/** The value of a Go string literal. */
export function unquote(literal: string): string {
  const inner = literal.slice(1, -1);
  if (literal.startsWith('`')) return inner;
  return inner.replace(/\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[0-7]{3}|.)/g, (_, code: string) => {
    if (/^[xuU]./.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]{3}$/.test(code)) return String.fromCodePoint(Number.parseInt(code, 8));
    return escapes[code] ?? code;
  });
}
