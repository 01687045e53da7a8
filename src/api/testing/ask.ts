import { request as httpRequest } from 'node:http';
import type { Served } from './serve.ts';

export interface Answered {
  status: number;
  text: string;
  headers: NodeJS.Dict<string | string[]>;
}

/** Method, path and body in; status and text out. */
export function ask(
  served: Served,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const request = httpRequest({ socketPath: served.socketPath, method, path, headers: { ...type, ...headers }, agent: false }, async (response) => {
      const chunks = await Array.fromAsync(response as AsyncIterable<Buffer>);
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString(), headers: response.headers });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** A body as text. */
export const gather = async (body: AsyncIterable<Uint8Array>): Promise<string> => Buffer.concat(await Array.fromAsync(body)).toString();

export async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
