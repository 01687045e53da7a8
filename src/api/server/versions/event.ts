import type { EventMessage } from '#spec/wire/system.ts';
import { versionBelow } from '../../version.ts';
import { exactNumber } from '../raw-json.ts';

/** Events one a line, each sent at once, with the fields and the framing that the client's version knows. */
export async function* renderEvents(events: AsyncIterable<EventMessage>, version: string, contentType: string): AsyncGenerator<string> {
  const withoutImageCreate = versionBelow(version, '1.46');
  // RFC 7464 puts a record separator before each value.
  const before = contentType === 'application/json-seq' ? '\u001e' : '';
  for await (const event of events) {
    if (withoutImageCreate && event.Type === 'image' && event.Action === 'create') continue;
    yield `${before}${JSON.stringify(renderEvent(event))}\n`;
  }
}

/**
 * Container and image events repeat who and what in `id`, `status` and `from`. Docker does so until 1.51; here it stays:
 * libraries take the newest version that they are offered, and the scripts above them read these fields.
 */
function renderEvent(event: EventMessage): Record<string, unknown> {
  const { timeNano, ...rest } = event;
  const repeated: Record<string, unknown> = {};
  if (event.Type === 'container' || event.Type === 'image') {
    repeated['status'] = event.Action;
    repeated['id'] = event.Actor?.ID;
    if (event.Type === 'container') repeated['from'] = event.Actor?.Attributes?.['image'] ?? '';
  }
  // A number in JSON, and too large for a double.
  return { ...repeated, ...rest, ...(timeNano === undefined ? {} : { timeNano: exactNumber(timeNano) }) };
}
