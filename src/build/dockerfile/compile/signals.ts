import { constants } from 'node:os';

/** A signal as STOPSIGNAL takes it: a number from 1, or a name with or without SIG, real-time ones too. */
export function isSignal(text: string): boolean {
  if (/^[+-]?\d+$/.test(text)) return Number(text) !== 0;
  const name = text.toUpperCase().replace(/^SIG/, '');
  if (/^RTM(?:IN(?:\+(?:[1-9]|1[0-5]))?|AX(?:-(?:[1-9]|1[0-4]))?)$/.test(name)) return true;
  return name !== '' && (Object.hasOwn(constants.signals, `SIG${name}`) || name === 'CLD');
}
