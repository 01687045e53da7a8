import type { Log } from '#base/log.ts';
import type { ResolverProgram } from '../options.ts';
import type { SandboxRecord } from '../record.ts';
import { addressesOf } from '../registry.ts';
import { gatewayEndpoint, dnsNames, hasNames } from '../sandbox-view.ts';
import { SheetFolder, type NamedEndpoint, type NameSheet } from './name-sheet.ts';
import { ResolverLink } from './resolver-link.ts';

/** Keeps the resolver informed: a sheet for every sandbox that has one (`names` in its record). */
export class NameService {
  readonly #sheets: SheetFolder;
  readonly #link: ResolverLink | undefined;

  /** Without `resolver` sheets are written and nobody reads them. */
  constructor(options: { run: string; resolver: ResolverProgram | undefined; log: Log }) {
    this.#sheets = new SheetFolder(options.run);
    this.#link = options.resolver && new ResolverLink({ run: options.run, ...options.resolver, log: options.log });
  }

  /** Begins to start the resolver: somebody will need it. */
  warm(): void {
    this.#link?.open().catch(() => {});
  }

  /** Resolves when the sandbox's names are served. `fresh`: its namespace was made just now. */
  async put(sandbox: SandboxRecord, fresh = false): Promise<void> {
    const sheet = sheetOf(sandbox);
    if (sheet === undefined) return;
    this.#sheets.write(sheet);
    await this.#link?.tell({ sheet: { id: sheet.id, fresh } });
  }

  /** The namespace ends only when the resolver has left it, which nobody waits for. */
  drop(sandbox: SandboxRecord): void {
    if (sandbox.names === undefined) return;
    this.#sheets.remove(sandbox.id);
    void this.#link?.tell({ sheet: { id: sandbox.id, fresh: false } });
  }

  /** Makes the sheets say what is so, and has the resolver read them. */
  recover(living: readonly SandboxRecord[]): void {
    const sheets = living.map(sheetOf).filter((sheet) => sheet !== undefined);
    const known = new Set(sheets.map(({ id }) => id));
    const stray = this.#sheets.ids().filter((id) => !known.has(id));
    for (const id of stray) this.#sheets.remove(id);
    for (const sheet of sheets) this.#sheets.write(sheet);
    if (known.size > 0 || stray.length > 0) void this.#link?.tell({ all: true });
  }

  /** Ends the resolver. */
  async end(): Promise<void> {
    await this.#link?.end();
  }

  /** Ends the connection alone. */
  close(): void {
    this.#link?.close();
  }
}

function sheetOf(sandbox: SandboxRecord): NameSheet | undefined {
  const { names } = sandbox;
  if (names === undefined) return undefined;
  const gateway = gatewayEndpoint(sandbox.endpoints);
  const endpoints = sandbox.endpoints
    .filter(hasNames)
    .toSorted((a, b) => Number(b === gateway) - Number(a === gateway))
    .map((endpoint): NamedEndpoint => ({
      network: endpoint.network,
      networkName: endpoint.networkName,
      addresses: addressesOf(endpoint),
      names: dnsNames(endpoint, sandbox),
      links: (endpoint.settings.Links ?? []).map((link) => {
        const [target = '', alias = target] = link.split(':');
        return { target, alias };
      }),
    }));
  return {
    version: 1, id: sandbox.id, netnsPath: sandbox.netnsPath, endpoints,
    servers: names.servers.length > 0 ? names.servers : 'host',
    forwards: gateway !== undefined || gatewayEndpoint(sandbox.endpoints, 6) !== undefined,
    dotless: names.keepsDotless ? 'keep' : 'forward',
  };
}
