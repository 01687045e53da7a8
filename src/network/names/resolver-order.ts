import { join } from 'node:path';

export const resolverSocket = (run: string): string => join(run, 'resolver.sock');

/** What an engine says, one JSON text a line; every order is answered by its number. */
export interface ResolverOrder {
  number: number;
  /** The engine's build; a resolver of another one makes room for the engine's own. */
  build?: string;
  /** Read the sheet of this sandbox (gone: forget it). `fresh`: no resolver has been in the namespace yet. */
  sheet?: { id: string; fresh: boolean };
  /** Read all sheets. */
  all?: true;
  /** No sandbox needs names any more. */
  end?: true;
}

/** The answer to an engine of another build, in place of a number. */
export const MAKING_ROOM = 'making room';
