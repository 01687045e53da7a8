import { fromText } from '#spec/tar/header.ts';
import { TAR_END, tarHeader } from '#spec/tar/writer.ts';
import type { Builder } from '../builder.ts';
import type { Tree } from '../tree.ts';

const END = TAR_END.length;

/** The files of trees as one tar, each below its prefix. */
export async function* treeTar(builder: Builder, trees: readonly { prefix: string; tree: Tree }[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (const { prefix, tree } of trees) {
    if (prefix !== '') yield tarHeader({ name: `${fromText(prefix)}/`, type: 'dir', mode: 0o755 });
    const packed = builder.options.jail.pack(
      { kind: 'pack', root: { kind: 'tree', lower: builder.layers.folders(tree), points: builder.points }, path: '/', name: fromText(prefix), whiteouts: 'keep', include: undefined, into: undefined },
      signal,
    );
    yield* withoutEnd(packed);
  }
  yield TAR_END;
}

/** Holds back the end mark, which comes once after all. */
async function* withoutEnd(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = new Uint8Array();
  for await (const chunk of chunks) {
    const all = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const cut = Math.max(0, all.length - END);
    if (cut > 0) yield all.subarray(0, cut);
    held = all.subarray(cut);
  }
}
