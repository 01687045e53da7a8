import { invalid } from '#base/errors.ts';

const DEFAULT = 'ctrl-p,ctrl-q';
const controls: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

/** `ctrl-p,ctrl-q` or `a,b,ctrl-@` as the bytes a terminal sends. Throws invalid_argument, in dockerd's words, for what is no such list. */
export function parseDetachKeys(text: string | undefined, word: 'detach' | 'escape' = 'detach'): Uint8Array {
  return Uint8Array.from(
    (text || DEFAULT).split(',').map((key) => {
      const code = keyByte(key);
      if (code === undefined) throw invalid(`Invalid ${word} keys (${text ?? ''}) provided`);
      return code;
    }),
  );
}

function keyByte(key: string): number | undefined {
  if (key.length === 1) return key.charCodeAt(0) & 0x7f;
  const letter = /^ctrl-([^A-Z])$/.exec(key)?.[1];
  if (letter === undefined) return undefined;
  return /[a-z]/.test(letter) ? letter.charCodeAt(0) - 96 : controls[letter];
}
