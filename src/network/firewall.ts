import type { Log } from '#base/log.ts';
import type { NetworkKernel, RulesChange } from '#host/network-kernel.ts';
import type { ElementChange } from '#host/nft-elements.ts';
import type { FirewallState, LinkedPort, PublishedPort } from './firewall-state.ts';
import { compileForeign, type ForeignChains, type PublishPolicy } from './nft-foreign.ts';
import { compileRemoval, compileTable, compileUserTable, elementChanges, isWhole, listed, userTable } from './nft-table.ts';

/** Keeps the kernel's rules as the desired state says, also when other programs change or flush rules. */
export class Firewall {
  readonly #kernel: NetworkKernel;
  readonly #log: Log;
  readonly #table: string;
  readonly #state: () => FirewallState;
  readonly #policy: PublishPolicy;
  readonly #enabled: boolean;
  /** The rules' generation after our last look; undefined before the first. */
  #generation: number | undefined;
  #formerBridges: readonly string[] = [];
  /** One look at a time. */
  #look: Promise<void> = Promise.resolve();

  constructor(options: { kernel: NetworkKernel; log: Log; table: string; state: () => FirewallState; policy: PublishPolicy; enabled: boolean }) {
    this.#kernel = options.kernel;
    this.#log = options.log;
    this.#table = options.table;
    this.#state = options.state;
    this.#policy = options.policy;
    this.#enabled = options.enabled;
  }

  /** Puts everything in place, whatever was there. `formerBridges` are no longer ours. */
  async apply(formerBridges: readonly string[] = []): Promise<void> {
    if (!this.#enabled) {
      // What an engine with a firewall left is taken away.
      if ((await this.#kernel.listRules(`table inet ${this.#state().table}`)) !== undefined) await this.remove();
      return;
    }
    const state = this.#state();
    this.#formerBridges = [...new Set([...this.#formerBridges, ...formerBridges])];
    const { after } = await this.#kernel.applyRules(compileTable(state) + compileUserTable(state.table));
    this.#generation = after;
    await this.#applyForeign(state.networks.map(({ bridge }) => bridge));
  }

  /** Takes every rule of ours away. */
  async remove(): Promise<void> {
    await this.#look.catch(() => {});
    const { table, networks } = this.#state();
    this.#formerBridges = [...new Set([...this.#formerBridges, ...networks.map(({ bridge }) => bridge)])];
    await this.#kernel.applyRules(compileRemoval(table));
    // What the administrator wrote stays.
    if (!hasRules(await this.#kernel.listRules(`table inet ${userTable(table)}`))) await this.#kernel.applyRules(compileRemoval(userTable(table)));
    await this.#applyForeign([]);
    this.#generation = undefined;
  }

  additions(ports: readonly PublishedPort[], links: readonly LinkedPort[]): ElementChange[] {
    return !this.#enabled ? [] : elementChanges('add', this.#table, ports, links);
  }

  deletions(ports: readonly PublishedPort[], links: readonly LinkedPort[]): ElementChange[] {
    return !this.#enabled ? [] : elementChanges('delete', this.#table, ports, links);
  }

  /**
   * Takes note of a change that we made. When it shows that others changed rules before, they are looked at meanwhile: nobody's
   * start waits for what another program does.
   */
  noted(change: RulesChange): void {
    if (!this.#enabled) return;
    if (change.before === this.#generation) this.#generation = change.after;
    else void this.verify().catch((error: unknown) => this.#log.warn('the firewall could not be looked at', { error }));
  }

  /** Looks whether others changed rules since the last look (one cheap question) and repairs what they broke. */
  async verify(): Promise<void> {
    if (this.#generation === undefined) return;
    // After the look that goes on: that one may have passed by what this one was called for.
    this.#look = this.#look.catch(() => {}).then(() => this.#verify());
    await this.#look;
  }

  async #verify(): Promise<void> {
    if (this.#generation !== undefined && (await this.#kernel.rulesGeneration()) !== this.#generation) await this.#repair();
  }

  async #repair(): Promise<void> {
    // Asked before the look: what others do meanwhile is seen at the next one.
    const generation = await this.#kernel.rulesGeneration();
    const state = this.#state();
    const { table, networks } = state;
    if (!isWhole(await this.#kernel.listRules(`table inet ${table}`), state)) {
      this.#log.warn('another program removed firewall rules; they are put back', { table });
      await this.apply();
      return;
    }
    this.#generation = generation;
    await this.#applyForeign(networks.map(({ bridge }) => bridge));
  }

  async #applyForeign(bridges: readonly string[]): Promise<void> {
    for (const family of ['ip', 'ip6'] as const) {
      const list = (chain: string): Promise<unknown> => this.#kernel.listRules(`chain ${family} filter ${chain}`);
      const [forward, user, isolation] = await Promise.all([list('FORWARD'), list('DOCKER-USER'), list('DOCKER-ISOLATION-STAGE-2')]);
      const chains: ForeignChains = { family, forward, user, isolation };
      const text = compileForeign(chains, bridges, this.#formerBridges, this.#policy);
      if (text === '') continue;
      try {
        const { before, after } = await this.#kernel.applyRules(text);
        if (before === this.#generation) this.#generation = after;
      } catch (error) {
        // The other program changed its chain between the look and the change; the next look finds what is missing.
        this.#log.warn('the rules beside another firewall could not be set', { error });
      }
    }
  }
}

const hasRules = (json: unknown): boolean => listed(json).some((item) => 'rule' in item);
