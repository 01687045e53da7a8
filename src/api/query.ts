/** Query values as callers write them: true is `1`, false is `0`, undefined is left out, a list repeats the key. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** `?a=1&b=x` or an empty string. */
export function renderQuery(query: Query | undefined): string {
  let text = '';
  for (const key in query) {
    const value = query[key];
    if (value === undefined) continue;
    for (const item of typeof value === 'object' ? value : [value]) {
      const plain = item === true ? '1' : item === false ? '0' : encodeURIComponent(item);
      text += `${text === '' ? '?' : '&'}${key}=${plain}`;
    }
  }
  return text;
}
