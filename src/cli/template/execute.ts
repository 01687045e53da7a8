import { functions as standard, kindName, type TemplateFunction } from './functions.ts';
import type { Operand, ParsedTemplate, Pipe, TemplateNode } from './parse.ts';
import { goPrint, isDictionary, Row, truth } from './value.ts';

export interface ExecuteOptions {
  functions?: Readonly<Record<string, TemplateFunction>>;
  /** A missing key of a map is an error (`inspect`) instead of "<no value>". */
  strictKeys?: boolean;
  /** What null prints as; `<no value>` unless told. */
  nil?: string;
  /** Finds a field that the data does not carry under that name; undefined when there is none. */
  fallback?: (receiver: unknown, name: string) => { value: unknown } | undefined;
  /** Name of the template in error texts. */
  name?: string;
  /** Go's name of the root's type, for "can't evaluate field" of data that Docker holds in a struct. */
  structName?: string;
}

type Loop = 'break' | 'continue' | undefined;

/** Runs a parsed template on `data`. Throws an Error worded as Go words it. */
export function execute(template: ParsedTemplate, data: unknown, options: ExecuteOptions = {}): string {
  return new Execution(template, data, options).run();
}

class Execution {
  readonly #template: ParsedTemplate;
  readonly #root: unknown;
  readonly #options: ExecuteOptions;
  readonly #functions: Readonly<Record<string, TemplateFunction>>;
  #variables: { name: string; value: unknown }[];
  #out = '';
  #depth = 0;

  constructor(template: ParsedTemplate, data: unknown, options: ExecuteOptions) {
    this.#template = template;
    this.#root = data;
    this.#options = options;
    this.#functions = options.functions ?? standard;
    this.#variables = [{ name: '$', value: data }];
  }

  run(): string {
    this.#list(this.#template.root, this.#root);
    return this.#out;
  }

  #fail(node: { pos: number }, source: string, message: string): never {
    const before = this.#template.source.slice(0, node.pos);
    const line = before.split('\n').length;
    const column = Buffer.byteLength(before.slice(before.lastIndexOf('\n') + 1));
    const shown = source.length > 20 ? `${source.slice(0, 20)}...` : source;
    const name = this.#options.name ?? '';
    throw new Error(`template: ${name}:${line}:${column}: executing ${JSON.stringify(name)} at <${shown}>: ${message}`);
  }

  #list(nodes: readonly TemplateNode[], dot: unknown): Loop {
    for (const node of nodes) {
      const loop = this.#node(node, dot);
      if (loop) return loop;
    }
    return undefined;
  }

  #node(node: TemplateNode, dot: unknown): Loop {
    switch (node.kind) {
      case 'text':
        this.#out += node.text;
        return undefined;
      case 'action': {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.variables.length === 0) this.#out += value === null ? (this.#options.nil ?? '<no value>') : goPrint(value);
        return undefined;
      }
      case 'break':
      case 'continue':
        return node.kind;
      case 'if':
      case 'with': {
        const scope = this.#variables.length;
        const value = this.#pipe(node.pipe, dot);
        const loop = truth(value)
          ? this.#list(node.body, node.kind === 'with' ? value : dot)
          : node.otherwise && this.#list(node.otherwise, dot);
        this.#variables.length = scope;
        return loop;
      }
      case 'range':
        return this.#range(node, dot);
      case 'template': {
        const body = this.#template.named.get(node.name);
        if (!body) this.#fail(node, `{{template ${JSON.stringify(node.name)}}}`, `template ${JSON.stringify(node.name)} not defined`);
        if (++this.#depth > 1000) this.#fail(node, node.name, 'exceeded maximum template depth (100000)');
        const value = node.pipe ? this.#pipe(node.pipe, dot) : undefined;
        const outer = this.#variables;
        this.#variables = [{ name: '$', value }];
        this.#list(body, value);
        this.#variables = outer;
        this.#depth--;
        return undefined;
      }
    }
  }

  #range(node: Extract<TemplateNode, { kind: 'if' | 'with' | 'range' }>, dot: unknown): Loop {
    const scope = this.#variables.length;
    const [first, second] = node.pipe.variables;
    const value = this.#pipe({ ...node.pipe, variables: [] }, dot);
    const entries = this.#entries(node.pipe, value);
    for (const [key, item] of entries) {
      this.#variables.length = scope;
      if (second !== undefined) this.#declare(node.pipe, first, key);
      if (first !== undefined) this.#declare(node.pipe, second ?? first, item);
      if (this.#list(node.body, item) === 'break') break;
    }
    this.#variables.length = scope;
    return entries.length === 0 && node.otherwise ? this.#list(node.otherwise, dot) : undefined;
  }

  #entries(pipe: Pipe, value: unknown): [unknown, unknown][] {
    if (value === null || value === undefined) return [];
    if (Array.isArray(value)) return value.map((item: unknown, at) => [at, item]);
    if (isDictionary(value)) return Object.keys(value).sort().map((key) => [key, value[key]]);
    if (typeof value === 'number' && Number.isInteger(value)) return Array.from({ length: value }, (_, at) => [at, at]);
    return this.#fail(pipe, pipe.source, `range can't iterate over ${goPrint(value)}`);
  }

  #declare(pipe: Pipe, name: string | undefined, value: unknown): void {
    if (name === undefined) return;
    if (!pipe.assigns) {
      this.#variables.push({ name, value });
      return;
    }
    const variable = this.#variables.findLast((candidate) => candidate.name === name);
    if (variable) variable.value = value;
  }

  #pipe(pipe: Pipe, dot: unknown): unknown {
    let value: unknown;
    for (const [stage, command] of pipe.commands.entries()) value = this.#command(command, dot, stage > 0 ? [value] : []);
    for (const name of pipe.variables) this.#declare(pipe, name, value);
    return value;
  }

  #command(command: readonly Operand[], dot: unknown, piped: readonly unknown[]): unknown {
    const [head, ...rest] = command;
    if (!head) return undefined;
    const args = (): unknown[] => [...rest.map((operand) => this.#operand(operand, dot, [])), ...piped];
    switch (head.kind) {
      case 'function': {
        if (head.name === 'and' || head.name === 'or') return this.#lazy(head.name, rest, dot, piped);
        return this.#call(head, rest, args());
      }
      case 'field':
      case 'variable':
      case 'chain':
        return this.#operand(head, dot, args());
      default:
        if (rest.length > 0 || piped.length > 0) this.#fail(head, this.#source(head), `can't give argument to non-function ${this.#source(head)}`);
        return this.#operand(head, dot, []);
    }
  }

  #lazy(name: 'and' | 'or', operands: readonly Operand[], dot: unknown, piped: readonly unknown[]): unknown {
    let value: unknown;
    for (const operand of operands) {
      value = this.#operand(operand, dot, []);
      if (truth(value) === (name === 'or')) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  #call(node: Extract<Operand, { kind: 'function' }>, operands: readonly Operand[], args: readonly unknown[]): unknown {
    try {
      return this.#functions[node.name]?.(...args);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const [first] = operands;
      if (/^wrong type/.test(message)) return first ? this.#fail(first, this.#source(first), message) : this.#fail(node, node.name, message);
      return this.#fail(node, [node, ...operands].map((operand) => this.#source(operand)).join(' '), `error calling ${node.name}: ${message}`);
    }
  }

  #operand(operand: Operand, dot: unknown, args: readonly unknown[]): unknown {
    switch (operand.kind) {
      case 'dot':
        return dot;
      case 'nil':
        return null;
      case 'literal':
        return operand.value;
      case 'function':
        return operand.name === 'and' || operand.name === 'or' ? undefined : this.#call(operand, [], args);
      case 'pipe':
        return this.#pipe(operand.pipe, dot);
      case 'field':
        return this.#fields(operand, dot, operand.names, args);
      case 'variable': {
        const variable = this.#variables.findLast((candidate) => candidate.name === operand.name);
        return this.#fields(operand, variable?.value, operand.names, args);
      }
      case 'chain':
        return this.#fields(operand, this.#operand(operand.of, dot, []), operand.names, args);
    }
  }

  #fields(node: Operand, start: unknown, names: readonly string[], args: readonly unknown[]): unknown {
    let value = start;
    for (const [at, name] of names.entries()) {
      value = this.#field(node, value, name, at === names.length - 1 ? args : []);
    }
    return value;
  }

  #field(node: Operand, receiver: unknown, name: string, args: readonly unknown[]): unknown {
    const source = this.#source(node);
    if (receiver instanceof Row) {
      const method = receiver.methods[name];
      if (method) return method(...args);
      const field = receiver.fields[name];
      if (field) return field();
      if (receiver.lenient) return undefined;
      return this.#fail(node, source, `can't evaluate field ${name} in type ${receiver.typeName}`);
    }
    if (isDictionary(receiver)) {
      if (args.length > 0) this.#fail(node, source, `${name} is not a method but has arguments`);
      if (Object.hasOwn(receiver, name)) return receiver[name];
      const found = this.#options.fallback?.(receiver, name);
      if (found) return found.value;
      if (this.#options.structName !== undefined && receiver === this.#root) {
        this.#fail(node, source, `can't evaluate field ${name} in type ${this.#options.structName}`);
      }
      if (this.#options.strictKeys === true) this.#fail(node, source, `map has no entry for key ${JSON.stringify(name)}`);
      return undefined;
    }
    if (receiver === null || receiver === undefined) return this.#fail(node, source, `nil pointer evaluating interface {}.${name}`);
    const type = this.#options.strictKeys === true && this.#options.nil === undefined ? 'interface {}' : kindName(receiver);
    return this.#fail(node, source, `can't evaluate field ${name} in type ${type}`);
  }

  #source(node: Operand): string {
    switch (node.kind) {
      case 'dot':
        return '.';
      case 'nil':
        return 'nil';
      case 'literal':
        return node.source;
      case 'field':
        return `.${node.names.join('.')}`;
      case 'variable':
        return [node.name, ...node.names].join('.');
      case 'function':
        return node.name;
      case 'chain':
        return `${this.#source(node.of)}.${node.names.join('.')}`;
      case 'pipe':
        return `(${node.pipe.source})`;
    }
  }
}
