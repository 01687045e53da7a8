export type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/** Parses one JSON value a line, as the engine streams them. A line without its end counts at the end of the stream. */
export async function* readJsonLines<T>(input: AsyncIterable<Uint8Array>, reviver?: Reviver): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of input) {
    rest += decoder.decode(bytes, { stream: true });
    let start = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
      const line = rest.slice(start, end);
      start = end + 1;
      if (line.trim() !== '') yield JSON.parse(line, reviver) as T;
    }
    rest = rest.slice(start);
  }
  if (rest.trim() !== '') yield JSON.parse(rest, reviver) as T;
}
