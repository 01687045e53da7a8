import type { Owner, OwnerPart } from '../../graph/vertex.ts';

/** `user[:group]`, names or numbers; names are looked up in the tree that `input` numbers. Undefined for an empty text. */
export function parseOwner(text: string, input: number): Owner | undefined {
  if (text === '') return undefined;
  const colon = text.indexOf(':');
  const part = (value: string): OwnerPart | undefined => {
    if (value === '') return undefined;
    return /^\d{1,10}$/.test(value) && Number(value) <= 0xffffffff ? { id: Number(value) } : { name: value, input };
  };
  return colon < 0 ? { user: part(text), group: undefined } : { user: part(text.slice(0, colon)), group: part(text.slice(colon + 1)) };
}
