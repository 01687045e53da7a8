import { matchLabels, requireKnownFilters, type Filters } from '#spec/filters.ts';
import { familiarName, parseReference } from '#spec/reference.ts';
import type { EngineEvent } from '#spec/event.ts';

const known = ['config', 'container', 'daemon', 'event', 'image', 'label', 'network', 'node', 'plugin', 'scope', 'secret', 'service', 'type', 'volume'];

/** The predicate of an events request. Throws invalid_argument for keys that Docker does not know either. */
export function eventFilter(filters: Filters): (event: EngineEvent) => boolean {
  requireKnownFilters(filters, known);
  const checks: ((event: EngineEvent) => boolean)[] = [];
  for (const [key, values] of filters) {
    if (values.length === 0) continue;
    switch (key) {
      case 'event':
        // `health_status` also means `health_status: healthy`, `exec_create` every `exec_create: ...`.
        checks.push(({ action }) => values.includes(action) || values.includes(action.split(':', 1)[0] ?? ''));
        break;
      case 'type':
        checks.push(({ type }) => values.includes(type));
        break;
      case 'scope':
        checks.push(() => values.includes('local'));
        break;
      case 'label':
        checks.push(({ attributes }) => matchLabels(values, attributes));
        break;
      case 'image':
        checks.push((event) => matchesImage(event, values));
        break;
      default:
        checks.push(({ type, id, attributes }) => type === key && values.some((value) => id.startsWith(value) || (attributes['name'] ?? '').startsWith(value)));
    }
  }
  return (event) => checks.every((check) => check(event));
}

/** Image events by id or name, container events by their image; with or without the tag. */
function matchesImage({ type, id, attributes }: EngineEvent, values: readonly string[]): boolean {
  if (type !== 'image' && type !== 'container') return false;
  const name = attributes[type === 'image' ? 'name' : 'image'] ?? '';
  return values.includes(name) || (type === 'image' && values.includes(id)) || values.includes(withoutTag(name));
}

function withoutTag(name: string): string {
  try {
    return familiarName(parseReference(name));
  } catch {
    return name;
  }
}
