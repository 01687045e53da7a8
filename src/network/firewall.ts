import type { Log } from '#base/log.ts';
import type { NetworkKernel, RulesChange } from '#host/network-kernel.ts';
import type { FirewallState, PublishedPort } from './firewall-state.ts';
import { compileForeign, type ForeignChains } from './nft-foreign.ts';
import { compileAdd, compileDelete, compileRemoval, compileTable } from './nft-table.ts';

/** Keeps the kernel's rules as the desired state says, also when other programs change or flush rules. */
export class Firewall {
  readonly #kernel: NetworkKernel;
  readonly #log: Log;
  readonly #state: () => FirewallState;
  /** The rules' generation after our last look; undefined before the first. */
  #generation: number | undefined;
  #formerBridges: readonly string[] = [];

  constructor(options: { kernel: NetworkKernel; log: Log; state: () => FirewallState }) {
    this.#kernel = options.kernel;
    this.#log = options.log;
    this.#state = options.state;
  }

  /** Puts everything in place, whatever was there. `formerBridges` are no longer ours. */
  async apply(formerBridges: readonly string[] = []): Promise<void> {
    const state = this.#state();
    this.#formerBridges = [...new Set([...this.#formerBridges, ...formerBridges])];
    await this.#kernel.applyRules(compileTable(state));
    await this.#applyForeign(state.bridges.map(({ name }) => name));
    this.#generation = await this.#kernel.rulesGeneration();
  }

  /** Takes every rule of ours away. */
  async remove(): Promise<void> {
    const { table, bridges } = this.#state();
    this.#formerBridges = [...new Set([...this.#formerBridges, ...bridges.map(({ name }) => name)])];
    await this.#kernel.applyRules(compileRemoval(table));
    await this.#applyForeign([]);
    this.#generation = undefined;
  }

  additions(ports: readonly PublishedPort[]): string {
    return compileAdd(this.#state().table, ports);
  }

  deletions(ports: readonly PublishedPort[]): string {
    return compileDelete(this.#state().table, ports);
  }

  /** Takes note of a change that we made; repairs when it shows that others changed rules before. */
  async noted(change: RulesChange): Promise<void> {
    const undisturbed = change.before === this.#generation;
    this.#generation = change.after;
    if (!undisturbed) await this.#repair();
  }

  /** Looks whether others changed rules since the last look (one cheap question) and repairs what they broke. */
  async verify(): Promise<void> {
    if (this.#generation === undefined) return;
    if ((await this.#kernel.rulesGeneration()) !== this.#generation) await this.#repair();
  }

  async #repair(): Promise<void> {
    const { table, bridges } = this.#state();
    if ((await this.#kernel.listRules(`chain inet ${table} forward`)) === undefined) {
      this.#log.warn('another program removed the firewall rules; they are put back', { table });
      await this.apply();
      return;
    }
    await this.#applyForeign(bridges.map(({ name }) => name));
    this.#generation = await this.#kernel.rulesGeneration();
  }

  async #applyForeign(bridges: readonly string[]): Promise<void> {
    const list = (chain: string): Promise<unknown> => this.#kernel.listRules(`chain ip filter ${chain}`);
    const [forward, user, isolation] = await Promise.all([list('FORWARD'), list('DOCKER-USER'), list('DOCKER-ISOLATION-STAGE-2')]);
    const chains: ForeignChains = { forward, user, isolation };
    const text = compileForeign(chains, bridges, this.#formerBridges);
    if (text === '') return;
    try {
      await this.#kernel.applyRules(text);
    } catch (error) {
      // The other program changed its chain between the look and the change; the next look finds what is missing.
      this.#log.warn('the rules beside another firewall could not be set', { error });
    }
  }
}
