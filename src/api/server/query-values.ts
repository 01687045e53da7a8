import { invalid } from '#base/errors.ts';
import { type Filters, parseFilters } from '#spec/filters.ts';

/** The query of a request, read as Docker reads it. */
export class QueryValues {
  readonly #text: string;
  #values: URLSearchParams | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  get #parsed(): URLSearchParams {
    return (this.#values ??= new URLSearchParams(this.#text));
  }

  has(name: string): boolean {
    return this.#text !== '' && this.#parsed.has(name);
  }

  /** An empty value counts as absent. */
  text(name: string): string | undefined {
    return this.#text === '' ? undefined : this.#parsed.get(name) || undefined;
  }

  all(name: string): string[] {
    return this.#text === '' ? [] : this.#parsed.getAll(name);
  }

  /** False for an absent or empty value, `0`, `no`, `false` and `none`, in any case; true for everything else. */
  flag(name: string, absent = false): boolean {
    if (!this.has(name)) return absent;
    const value = (this.text(name) ?? '').trim().toLowerCase();
    return !(value === '' || value === '0' || value === 'no' || value === 'false' || value === 'none');
  }

  /** A whole number; anything else is refused by name. */
  integer(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^[+-]?\d{1,15}$/.test(text)) throw invalid(`invalid value for query parameter ${name}: ${JSON.stringify(text.slice(0, 40))} is not a whole number`);
    return Number(text);
  }

  get filters(): Filters {
    return parseFilters(this.text('filters'));
  }
}
