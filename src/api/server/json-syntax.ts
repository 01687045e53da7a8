/**
 * What is wrong with a text that is not JSON, in the words of Go's decoder, which clients and their tests know:
 * `invalid character 'i' looking for beginning of object key string`. A text that merely ends too early is `unexpected EOF`;
 * undefined when a whole value stands at the start.
 */
export function describeSyntaxError(text: string): string | undefined {
  const scanner = new Scanner(text);
  try {
    scanner.value();
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

class Fault extends Error {}

const DEEPEST = 1000;

class Scanner {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): void {
    const first = this.#next();
    if (first === '{' || first === '[') {
      if (++this.#depth > DEEPEST) throw new Fault('exceeded max depth');
      if (first === '{') this.#object();
      else this.#array();
      this.#depth--;
    } else if (first === '"') this.#string();
    else if (first === 't') this.#literal('true');
    else if (first === 'f') this.#literal('false');
    else if (first === 'n') this.#literal('null');
    else if (first === '-' || /\d/.test(first)) this.#number(first);
    else throw this.#fault('looking for beginning of value');
  }

  #object(): void {
    if (this.#peek() === '}') return void this.#at++;
    for (;;) {
      if (this.#next() !== '"') throw this.#fault('looking for beginning of object key string');
      this.#string();
      if (this.#next() !== ':') throw this.#fault('after object key');
      this.value();
      const after = this.#next();
      if (after === '}') return;
      if (after !== ',') throw this.#fault('after object key:value pair');
    }
  }

  #array(): void {
    if (this.#peek() === ']') return void this.#at++;
    for (;;) {
      this.value();
      const after = this.#next();
      if (after === ']') return;
      if (after !== ',') throw this.#fault('after array element');
    }
  }

  #string(): void {
    for (;;) {
      const letter = this.#take();
      if (letter === '"') return;
      if (letter < ' ') throw this.#fault('in string literal');
      if (letter !== '\\') continue;
      const escape = this.#take();
      if (escape === 'u') {
        for (let digit = 0; digit < 4; digit++) if (!/[0-9a-f]/i.test(this.#take())) throw this.#fault('in \\u hexadecimal character escape');
      } else if (!'"\\/bfnrt'.includes(escape)) throw this.#fault('in string escape code');
    }
  }

  #literal(word: string): void {
    for (const expected of word.slice(1)) if (this.#take() !== expected) throw this.#fault(`in literal ${word} (expecting '${expected}')`);
  }

  #number(first: string): void {
    if (first === '-') {
      first = this.#take();
      if (!/\d/.test(first)) throw this.#fault('in numeric literal');
    }
    if (first !== '0') this.#digits();
    if (this.#text[this.#at] === '.') {
      this.#at++;
      if (!/\d/.test(this.#take())) throw this.#fault('after decimal point in numeric literal');
      this.#digits();
    }
    if (/[eE]/.test(this.#text[this.#at] ?? '')) {
      this.#at++;
      if (/[+-]/.test(this.#text[this.#at] ?? '')) this.#at++;
      if (!/\d/.test(this.#take())) throw this.#fault('in exponent of numeric literal');
      this.#digits();
    }
  }

  #digits(): void {
    while (/\d/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #peek(): string | undefined {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) this.#at++;
    return this.#text[this.#at];
  }

  /** The next letter that is no white space. */
  #next(): string {
    this.#peek();
    return this.#take();
  }

  #take(): string {
    const letter = this.#text[this.#at++];
    if (letter === undefined) throw new Fault('unexpected EOF');
    return letter;
  }

  /** About the letter that was taken last. */
  #fault(where: string): Fault {
    const letter = String.fromCodePoint(this.#text.codePointAt(this.#at - 1) ?? 0);
    const shown = letter === "'" ? String.raw`'\''` : letter === '"' ? `'"'` : `'${JSON.stringify(letter).slice(1, -1)}'`;
    return new Fault(`invalid character ${shown} ${where}`);
  }
}
