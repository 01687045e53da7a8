import { makeVertex } from '../../graph/vertex.ts';
import type { Graph, Op, Output, Vertex, VertexDigest, VertexMeta } from '../../graph/vertex.ts';
import type { Platform } from '#spec/oci-image.ts';

/** A vertex that has no digest yet: which paths of the context it needs is known only when all is compiled. */
export interface Node {
  readonly inputs: readonly NodeOutput[];
  readonly op: Op | (() => Op);
  readonly platform: Platform | undefined;
  readonly meta: VertexMeta;
}

/** An output of a node to come, or of a vertex that came from elsewhere with its graph. */
export type NodeOutput = { readonly node: Node; readonly index: number } | { readonly foreign: Output };

/** Turns nodes into vertices; the same node becomes the same vertex. Deep chains cost no stack. */
export class Marshaller {
  readonly #vertices = new Map<VertexDigest, Vertex>();
  readonly #done = new Map<Node, VertexDigest>();

  /** Takes in a graph that came from elsewhere. */
  include(graph: Graph): void {
    for (const [digest, vertex] of graph.vertices) if (!this.#vertices.has(digest)) this.#vertices.set(digest, vertex);
  }

  output(of: NodeOutput | undefined): Output | undefined {
    if (of === undefined) return undefined;
    if ('foreign' in of) return of.foreign;
    const pending: Node[] = [of.node];
    for (let node = pending.at(-1); node !== undefined; node = pending.at(-1)) {
      const before = pending.length;
      if (!this.#done.has(node)) {
        for (const input of node.inputs) if ('node' in input && !this.#done.has(input.node)) pending.push(input.node);
        if (pending.length > before) continue;
        this.#finish(node);
      }
      pending.pop();
    }
    return { vertex: this.#digest(of.node), index: of.index };
  }

  get graph(): Graph {
    return { vertices: this.#vertices };
  }

  #finish(node: Node): void {
    const inputs = node.inputs.map((input): Output => ('foreign' in input ? input.foreign : { vertex: this.#digest(input.node), index: input.index }));
    const op = typeof node.op === 'function' ? node.op() : node.op;
    const vertex = makeVertex({ inputs, op, platform: node.platform, meta: node.meta });
    this.#done.set(node, vertex.digest);
    if (!this.#vertices.has(vertex.digest)) this.#vertices.set(vertex.digest, vertex);
  }

  #digest(node: Node): VertexDigest {
    const digest = this.#done.get(node);
    if (digest === undefined) throw new TypeError('an input was not marshalled before what uses it');
    return digest;
  }
}

/** Numbers inputs while an operation is put together; the same tree is one input. */
export class Inputs {
  readonly list: NodeOutput[] = [];

  /** -1 for an empty tree. */
  number(of: NodeOutput | undefined): number {
    if (of === undefined) return -1;
    const known = this.list.findIndex((other) => sameOutput(of, other));
    return known >= 0 ? known : this.list.push(of) - 1;
  }
}

function sameOutput(a: NodeOutput, b: NodeOutput): boolean {
  if ('foreign' in a) return 'foreign' in b && a.foreign.vertex === b.foreign.vertex && a.foreign.index === b.foreign.index;
  return 'node' in b && a.node === b.node && a.index === b.index;
}
