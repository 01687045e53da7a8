import type { EngineClient } from '#api/client/client.ts';
import { configFolder, readConfigFile, type ConfigFile } from './config-file.ts';
import { resolveEndpoint, type Endpoint } from './endpoint.ts';
import type { GlobalFlags } from './global-flags.ts';
import { Output } from './io.ts';

/** What every command has at hand. Nothing is opened before it is asked for. */
export class Cli {
  readonly program: string;
  readonly globals: GlobalFlags;
  readonly out = new Output(1);
  readonly err = new Output(2);
  readonly configFolder: string;
  #config: ConfigFile | undefined;
  #endpoint: Promise<Endpoint> | undefined;
  #client: Promise<EngineClient> | undefined;

  constructor(options: { program: string; globals: GlobalFlags }) {
    this.program = options.program;
    this.globals = options.globals;
    this.configFolder = configFolder(options.globals.config);
  }

  get config(): ConfigFile {
    return (this.#config ??= readConfigFile(this.configFolder));
  }

  endpoint(): Promise<Endpoint> {
    return (this.#endpoint ??= resolveEndpoint(this.globals, this.configFolder, () => this.config));
  }

  /** The client of the chosen engine. The machine's own is started first when it does not answer. */
  client(): Promise<EngineClient> {
    return (this.#client ??= this.#connect());
  }

  /** A client that is not waited for nor started: for completion and status. */
  async quietClient(): Promise<EngineClient> {
    return this.#open(await this.endpoint());
  }

  async #connect(): Promise<EngineClient> {
    const endpoint = await this.endpoint();
    return this.#open(endpoint, endpoint.own ? async () => (await import('./autostart.ts')).startEngine() : undefined);
  }

  async #open(endpoint: Endpoint, whenDown?: () => Promise<void>): Promise<EngineClient> {
    const [{ createClient }, { API_VERSION }] = await Promise.all([import('#api/client/client.ts'), import('#api/version.ts')]);
    const { HttpHeaders } = this.config;
    // Our own engine is of our own version: no round trip to negotiate one.
    const version = process.env['DOCKER_API_VERSION'] || (endpoint.own ? API_VERSION : undefined);
    return createClient({
      host: endpoint.host,
      whenDown,
      ...(endpoint.tls ? { tls: endpoint.tls } : {}),
      ...(version === undefined ? {} : { version: version.replace(/^v/, '') }),
      ...(HttpHeaders ? { headers: HttpHeaders } : {}),
    });
  }

  async close(): Promise<void> {
    (await this.#client?.catch(() => undefined))?.close();
  }
}
