import { closeSync, openSync } from 'node:fs';
import { CLONE, setns } from './kernel.ts';

/** Runs tasks in other network namespaces and comes home to the one that the thread was in at its making. */
export class NamespaceVisitor implements Disposable {
  readonly #home = openSync('/proc/thread-self/ns/net', 'r');

  /** `namespace` is a descriptor of it. What the task opens stays in that namespace. */
  visit<T>(namespace: number, task: () => T): T {
    setns(namespace, CLONE.NEWNET);
    try {
      return task();
    } finally {
      setns(this.#home, CLONE.NEWNET);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#home);
  }
}
