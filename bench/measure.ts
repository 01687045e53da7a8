import { spawn } from 'node:child_process';
import { request } from 'node:http';

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
  const { Agent } = await import('node:http');
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
