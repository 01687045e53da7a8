import { readFileSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import type { NetworkConfig } from './options.ts';
import type { ResolverWishes, SandboxRecord } from './record.ts';
import { hostResolvConf, renderResolvConf, type ResolvMode, type ResolvOverrides } from './resolv-conf.ts';

/** Decides what a container's resolv.conf says and whom its resolver asks. */
export class ResolverFiles {
  readonly #config: Pick<NetworkConfig, 'dns' | 'dnsSearch' | 'dnsOptions'>;

  constructor(config: Pick<NetworkConfig, 'dns' | 'dnsSearch' | 'dnsOptions'>) {
    this.#config = config;
  }

  of({ dns, dnsSearch, dnsOptions }: ResolvOverrides, mode: ResolvMode, ipv6 = false): Pick<SandboxRecord, 'resolvConf' | 'names'> & { dns: ResolverWishes } {
    const config = this.#config;
    const wishes = {
      dns: [...(dns.length > 0 ? dns : (config.dns ?? []))],
      dnsSearch: [...(dnsSearch.length > 0 ? dnsSearch : (config.dnsSearch ?? []))],
      dnsOptions: [...(dnsOptions.length > 0 ? dnsOptions : (config.dnsOptions ?? []))],
    };
    const { text, ndotsGiven } = renderResolvConf(hostResolvConf((path) => this.read(path), mode), wishes, mode, ipv6);
    return { resolvConf: text, dns: wishes, ...(mode === 'resolver' ? { names: { servers: wishes.dns, keepsDotless: ndotsGiven } } : {}) };
  }

  /** A file of the host, when it is there. */
  read(path: string): string | undefined {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR')) return undefined;
      throw error;
    }
  }
}
