import { spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

/** Wall time in milliseconds of one run of a command; rejects when it fails. */
export async function time(command: readonly string[], environment: Record<string, string>, input?: string): Promise<number> {
  const began = process.hrtime.bigint();
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...environment },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  if (input !== undefined) child.stdin!.end(input);
  child.stdout!.resume();
  let errors = '';
  child.stderr!.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${errors.slice(0, 400)}`);
  return Number(process.hrtime.bigint() - began) / 1e6;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Requests a second over one kept-alive connection to a unix socket, one after another, for `milliseconds`. */
export async function rate(socketPath: string, path: string, milliseconds: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const once = (): Promise<void> =>
    new Promise((resolve, reject) => {
      request({ socketPath, path, agent }, (response) => {
        response.resume();
        response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`${path}: ${response.statusCode}`))));
      })
        .on('error', reject)
        .end();
    });
  for (let warm = 0; warm < 200; warm++) await once();
  const end = Date.now() + milliseconds;
  let count = 0;
  const began = process.hrtime.bigint();
  while (Date.now() < end) {
    await once();
    count++;
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  agent.destroy();
  return count / seconds;
}

/** Milliseconds of an attached exec of `true` through the API alone: created, started, read to its end and inspected. */
export async function execThroughApi(socketPath: string, container: string): Promise<number> {
  const ask = (method: string, path: string, body?: unknown): Promise<string> =>
    new Promise((resolve, reject) => {
      request({ socketPath, method, path, headers: body === undefined ? {} : { 'Content-Type': 'application/json' } }, (response) => text(response).then(resolve, reject))
        .on('error', reject)
        .end(body === undefined ? undefined : JSON.stringify(body));
    });
  const began = process.hrtime.bigint();
  const { Id } = JSON.parse(await ask('POST', `/v1.41/containers/${container}/exec`, { Cmd: ['true'], AttachStdout: true, AttachStderr: true })) as { Id: string };
  const stream = connect({ path: socketPath, allowHalfOpen: true });
  stream.write(`POST /v1.41/exec/${Id}/start HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
  await text(stream);
  stream.end();
  const { ExitCode } = JSON.parse(await ask('GET', `/v1.41/exec/${Id}/json`)) as { ExitCode: number };
  if (ExitCode !== 0) throw new Error(`the exec ended with ${ExitCode}`);
  return Number(process.hrtime.bigint() - began) / 1e6;
}

/** The value that `share` percent of the values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * share) / 100) - 1)] ?? Number.NaN;
}
