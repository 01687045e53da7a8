import { EngineError } from '#base/errors.ts';
import type { Jail } from '#host/jail.ts';
import type { BuildLayers } from '../cache/layers.ts';
import type { Operator } from '../solver/solver.ts';
import { above, stacked } from '../tree.ts';

const nothing: Disposable = { [Symbol.dispose]: () => {} };

/** Layers on one another: nothing is copied. */
export const mergeOperator: Operator = {
  run: ({ inputs }) => Promise.resolve({ trees: [stacked(...inputs)], held: nothing }),
};

/** What one tree adds to another. Where it was made from it, these are just its upper layers. */
export function diffOperator(options: { layers: BuildLayers; jail: Jail; points: string }): Operator {
  const { layers, jail, points } = options;
  return {
    async run({ vertex, inputs, signal }) {
      const { op } = vertex;
      if (op.kind !== 'diff') throw new EngineError('internal', 'not a diff operation');
      const lower = op.lower < 0 ? [] : (inputs[op.lower] ?? []);
      const upper = op.upper < 0 ? [] : (inputs[op.upper] ?? []);
      const simple = above(upper, lower);
      if (simple !== undefined) return { trees: [simple], held: nothing };
      const layer = layers.create();
      const held = layers.protect([layer.id]);
      try {
        signal.throwIfAborted();
        await jail.run<'diff'>({ kind: 'diff', lower: layers.folders(lower), upper: layers.folders(upper), into: layer.upper, points });
        await layers.seal(layer);
        return { trees: [[layer.id]], held };
      } catch (error) {
        held[Symbol.dispose]();
        await layers.discard(layer);
        throw error;
      }
    },
  };
}
