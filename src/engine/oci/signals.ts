import { constants } from 'node:os';
import { invalid } from '#base/errors.ts';

const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** A signal's number from `TERM`, `SIGTERM`, `15`, `RTMIN+3`, in any case. Throws invalid_argument `invalid signal: x`. */
export function parseSignal(text: string): number {
  const refused = (): Error => invalid(`invalid signal: ${text}`);
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number === 0 || number > SIGRTMAX) throw refused();
    return number;
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime) {
    const offset = Number(realtime[3] ?? 0) * (realtime[2] === '-' ? -1 : 1);
    const number = (realtime[1] === 'MIN' ? SIGRTMIN : SIGRTMAX) + offset;
    if (number < SIGRTMIN || number > SIGRTMAX) throw refused();
    return number;
  }
  const number = (constants.signals as Record<string, number>)[`SIG${name}`];
  if (number === undefined) throw refused();
  return number;
}
