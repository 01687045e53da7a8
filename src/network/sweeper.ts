import type { Log } from '#base/log.ts';
import type { NetworkKernel } from '#host/network-kernel.ts';
import type { Registry } from './registry.ts';

/**
 * Waits until the kernel has ended the links of dismantled sandboxes, then forgets them and frees their addresses.
 * Links that stay (another process is still in the namespace) are deleted after a grace.
 */
export class Sweeper {
  readonly #kernel: NetworkKernel;
  readonly #registry: Registry;
  readonly #log: Log;
  readonly #isStray: (link: string) => boolean;
  #sweep: Promise<void> | undefined;
  #urgent = false;
  #stopped = false;

  constructor(options: { kernel: NetworkKernel; registry: Registry; log: Log; isStray: (link: string) => boolean }) {
    this.#kernel = options.kernel;
    this.#registry = options.registry;
    this.#log = options.log;
    this.#isStray = options.isStray;
  }

  /** Begins in the background; one sweep serves everybody. */
  start(): void {
    if (this.#stopped) return;
    this.#sweep ??= this.#run()
      .catch((error: unknown) => this.#log.warn('links of removed containers could not be swept', { error }))
      .finally(() => {
        this.#sweep = undefined;
      });
  }

  /** Resolves when nothing is left to sweep; `urgent` deletes without grace. */
  async finish(urgent: boolean): Promise<void> {
    this.#urgent ||= urgent;
    this.start();
    await this.#sweep;
    this.#urgent = false;
  }

  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    for (let pause = 50; !this.#stopped; pause = Math.min(pause * 2, 400)) {
      const leaving = this.#registry.leaving();
      const links = new Set((await this.#kernel.observe()).links.map(({ name }) => name));
      const overdue: string[] = [...links].filter((name) => this.#isStray(name));
      for (const sandbox of leaving) {
        const left = sandbox.endpoints.flatMap(({ hostLink, driver }) => (driver === 'bridge' && hostLink !== undefined && links.has(hostLink) ? [hostLink] : []));
        if (left.length === 0) this.#registry.deleteSandbox(sandbox);
        else overdue.push(...left);
      }
      if (overdue.length === 0 && this.#registry.leaving().length === 0) return;
      if (pause >= 400 || this.#urgent) await this.#kernel.deleteLinks([...new Set(overdue)]);
      else await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
