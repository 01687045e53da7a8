import { rfc3339Nano, type Clock } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { HealthConfig, HealthcheckResult } from '#spec/wire/container.ts';
import type { ContainerRecord } from './container-record.ts';
import { emitContainer, type ContainerContext } from './context.ts';
import { afterProbe, healthTimes } from './health-rules.ts';
import type { Execs } from './execs.ts';

const MAX_OUTPUT = 4096;

export interface ProbeResult {
  exitCode: number;
  output: string;
}

type Context = Pick<ContainerContext, 'store' | 'clock' | 'events' | 'log'>;
type Probes = Pick<Execs, 'create' | 'start' | 'inspect' | 'kill'>;

/** Runs the health checks of running containers; results are kept in their records. */
export class Health {
  readonly #context: Context;
  readonly #execs: Probes;
  readonly #running = new Map<ContainerId, AbortController>();

  constructor(context: Context, execs: Probes) {
    this.#context = context;
    this.#execs = execs;
  }

  /** Begins (or, after a restart of the engine, goes on) checking a running container. No check: does nothing. */
  watch(record: ContainerRecord): void {
    const check = record.config.Healthcheck;
    const command = probeCommand(check, record.config.Shell);
    if (check === undefined || command === undefined) return;
    this.forget(record.id);
    const controller = new AbortController();
    this.#running.set(record.id, controller);
    this.#loop(record.id, check, command, controller.signal).catch((error: unknown) => {
      if (!controller.signal.aborted) this.#context.log.error('health checks of a container ended', { container: record.id, error });
    });
  }

  forget(id: ContainerId): void {
    this.#running.get(id)?.abort();
    this.#running.delete(id);
  }

  close(): void {
    for (const id of [...this.#running.keys()]) this.forget(id);
  }

  async #loop(id: ContainerId, check: HealthConfig, command: string[], signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#context;
    const times = healthTimes(check);
    for (;;) {
      const { health, startedAt } = store.require(id);
      const inStartPeriod = health?.Status === 'starting' && clock.now() - Date.parse(startedAt) < times.startPeriod;
      await clock.sleep(inStartPeriod ? times.startInterval : times.interval, signal);
      if (store.get(id)?.life.status !== 'running') {
        if (store.get(id)?.life.status === 'paused') continue;
        return;
      }
      const result = await this.#probe(id, command, times.timeout, signal);
      if (signal.aborted) return;
      this.#note(id, check, result);
    }
  }

  async #probe(id: ContainerId, command: string[], timeout: number, signal: AbortSignal): Promise<HealthcheckResult> {
    const start = now(this.#context.clock);
    const outcome = await this.#run(id, command, timeout, signal).catch((error: unknown) => ({ exitCode: -1, output: messageOf(error) }));
    return { Start: start, End: now(this.#context.clock), ExitCode: outcome.exitCode, Output: outcome.output };
  }

  async #run(id: ContainerId, command: string[], timeout: number, signal: AbortSignal): Promise<ProbeResult> {
    const { Id } = await this.#execs.create(id, { Cmd: command, AttachStdout: true, AttachStderr: true });
    const session = await this.#execs.start(Id, {});
    let output = '';
    const read = (async () => {
      for await (const { data } of session?.output ?? []) {
        if (output.length < MAX_OUTPUT) output += Buffer.from(data).toString('utf8');
      }
      return true;
    })();
    const expiry = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
    const { promise: expired, resolve } = Promise.withResolvers<false>();
    expiry.addEventListener('abort', () => resolve(false), { once: true });
    if (await Promise.race([read, expired])) {
      return { exitCode: (await this.#execs.inspect(Id)).ExitCode ?? -1, output: output.slice(0, MAX_OUTPUT) };
    }
    await this.#execs.kill(Id);
    session?.close();
    return { exitCode: -1, output: `Health check exceeded timeout (${seconds(timeout)})${output === '' ? '' : `: ${output}`}`.slice(0, MAX_OUTPUT) };
  }

  #note(id: ContainerId, check: HealthConfig, result: HealthcheckResult): void {
    const { store, clock } = this.#context;
    const record = store.get(id);
    if (record?.life.status !== 'running' || record.health === undefined) return;
    const health = afterProbe(record.health, result, { check, sinceStart: clock.now() - Date.parse(record.startedAt) });
    store.transaction(() => {
      const changed = store.change(id, { health });
      if (health.Status !== record.health?.Status) emitContainer(this.#context, changed, `health_status: ${health.Status ?? ''}`);
    });
  }
}

const now = (clock: Clock): string => rfc3339Nano(clock.nowNanos());
const seconds = (milliseconds: number): string => (milliseconds % 1000 === 0 ? `${milliseconds / 1000}s` : `${milliseconds}ms`);

/** The program of a check, or undefined when there is none. */
export function probeCommand(check: HealthConfig | undefined, shell: string[] | null | undefined): string[] | undefined {
  const [kind, ...words] = check?.Test ?? [];
  if (kind === 'CMD') return words;
  return kind === 'CMD-SHELL' ? [...(shell ?? ['/bin/sh', '-c']), ...words] : undefined;
}
