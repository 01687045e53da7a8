import { invalid } from '#base/errors.ts';

/** Docker takes a regular expression; plain parts, anchors and `.*` are what people write. */
export function nameMatches(part: string, name: string): boolean {
  return name.includes(part) || globMatches(part, name);
}

/** Not a RegExp: one from outside could take exponential time. */
function globMatches(pattern: string, name: string): boolean {
  const anchoredStart = pattern.startsWith('^');
  const anchoredEnd = pattern.endsWith('$');
  const parts = pattern.slice(anchoredStart ? 1 : 0, anchoredEnd ? -1 : undefined).split('.*');
  let from = 0;
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    const found = index === 0 && anchoredStart ? (name.startsWith(part) ? 0 : -1) : last && anchoredEnd ? name.length - part.length : name.indexOf(part, from);
    if (found < from || name.slice(found, found + part.length) !== part) return false;
    from = found + part.length;
  }
  return !anchoredEnd || from === name.length;
}

export function parseDangling(value: string): boolean {
  if (['true', '1'].includes(value)) return true;
  if (['false', '0'].includes(value)) return false;
  throw invalid(`invalid filter 'dangling=[${value}]'`);
}

/** The filter `all` of a prune; false when it is not given. */
export function parsePruneAll(values: readonly string[] | undefined): boolean {
  if (values === undefined || values.length === 0) return false;
  const [value = ''] = values;
  if (values.length > 1) throw invalid(`invalid filter 'all=[${values.join(' ')}]'`);
  if (['true', '1', 't', 'T', 'TRUE', 'True'].includes(value)) return true;
  if (['false', '0', 'f', 'F', 'FALSE', 'False'].includes(value)) return false;
  throw invalid(`invalid filter 'all': strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
}
