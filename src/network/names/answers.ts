import { encodeName, HEADER, parseQuery, RCODE, reverseAddress, TYPE, writeAnswer, writeError, type Answer, type Question } from './dns-message.ts';
import type { NameTable } from './name-table.ts';

/** What becomes of a query: `length` bytes were written, it is somebody else's to answer, or it deserves no answer. */
export type Outcome = { kind: 'answered'; length: number } | { kind: 'forward'; question: Question } | { kind: 'ignore' };

/** What a question means to one sandbox. */
type Meaning = { answer: Answer; turn: number } | 'nothing' | 'foreign';

const MOST_REMEMBERED = 1000;

/** Answers the questions of one sandbox out of the table; remembers what names mean until the table changes. */
export class Answers {
  readonly #table: NameTable;
  readonly #id: string;
  readonly #known = new Map<string, Meaning>();
  #generation = -1;

  constructor(table: NameTable, id: string) {
    this.#table = table;
    this.#id = id;
  }

  /** `most`: bytes that the transport takes; by UDP the question says. The answer goes to `offset` of `out`. */
  answer(query: Buffer, out: Buffer, offset: number, most?: number): Outcome {
    const question = parseQuery(query);
    if (question === undefined) return { kind: 'ignore' };
    if (typeof question === 'number') return { kind: 'answered', length: writeError(query, HEADER, question, { out, offset }) };
    const meaning = this.#meaningOf(question);
    if (meaning === 'foreign') return { kind: 'forward', question };
    if (meaning === 'nothing') return { kind: 'answered', length: writeError(query, question.end, RCODE.NOERROR, { out, offset, extended: question.extended }) };
    const first = meaning.turn;
    meaning.turn = (first + 1) % meaning.answer.data.length;
    const limit = Math.min(most ?? question.limit, out.length - offset);
    return { kind: 'answered', length: writeAnswer(query, question, meaning.answer, { out, offset, limit, first }) };
  }

  #meaningOf({ name, type }: Question): Meaning {
    if (this.#generation !== this.#table.generation || this.#known.size >= MOST_REMEMBERED) {
      this.#known.clear();
      this.#generation = this.#table.generation;
    }
    const key = `${type} ${name}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const meaning = type === TYPE.PTR ? this.#reverse(name) : this.#forward(name, type);
    this.#known.set(key, meaning);
    return meaning;
  }

  #forward(name: string, type: number): Meaning {
    const found = this.#table.resolve(this.#id, name);
    if (found !== undefined) {
      // A name of ours has no other records: nobody outside is asked about it.
      const data = type === TYPE.A ? found.v4 : type === TYPE.AAAA ? found.v6 : [];
      return data.length === 0 ? 'nothing' : { answer: { type, data }, turn: 0 };
    }
    const waits = this.#table.get(this.#id)?.dotless === 'keep' && !name.includes('.') && (type === TYPE.A || type === TYPE.AAAA);
    return waits ? 'nothing' : 'foreign';
  }

  #reverse(name: string): Meaning {
    const address = reverseAddress(name);
    const found = address === undefined ? undefined : this.#table.reverse(this.#id, address);
    const data = found === undefined ? undefined : encodeName(found);
    return data === undefined ? 'foreign' : { answer: { type: TYPE.PTR, data: [data] }, turn: 0 };
  }
}
