import { invalid } from '#base/errors.ts';

const DEFAULT = 'ctrl-p,ctrl-q';
const controls: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

/** `ctrl-p,ctrl-q` or `a,b,ctrl-@` as the bytes a terminal sends. Throws invalid_argument for what is no such list. */
export function parseDetachKeys(text: string | undefined): Uint8Array {
  return Uint8Array.from((text || DEFAULT).split(',').map((key) => keyByte(key, text ?? '')));
}

function keyByte(key: string, all: string): number {
  if (key.length === 1) return key.charCodeAt(0) & 0x7f;
  const letter = /^ctrl-(.)$/i.exec(key)?.[1]?.toLowerCase();
  const code = letter === undefined ? undefined : /[a-z]/.test(letter) ? letter.charCodeAt(0) - 96 : controls[letter];
  if (code === undefined) throw invalid(`Invalid detach keys (${all}): Unknown character: '${key}'`);
  return code;
}
