import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { TAR_END, tarHeader, tarPadding } from '../../src/spec/tar/writer.ts';
import type { BuildCase } from '../../src/build/dockerfile/testing/case-file.ts';

/** What became of a build: an image or a message, and everything its steps wrote. */
export interface Outcome {
  readonly image: string | undefined;
  readonly error: string | undefined;
  readonly output: readonly string[];
}

export interface Builder {
  /** As `differs` names it; `own` is Gantry. */
  readonly kind: 'own' | 'legacy' | 'buildx';
  build(buildCase: BuildCase): Promise<Outcome>;
  get(path: string): Promise<unknown>;
  delete(path: string): Promise<void>;
}

export function contextTar({ dockerfile, files, options }: BuildCase): Buffer {
  const all = { Dockerfile: dockerfile, ...files, ...(options.ignore === undefined ? {} : { '.dockerignore': options.ignore }) };
  const members = Object.entries(all).flatMap(([name, text]) => {
    const content = Buffer.from(text);
    return [tarHeader({ name, type: 'file', mode: 0o644, size: content.length }), content, tarPadding(content.length)];
  });
  return Buffer.concat([...members, TAR_END]);
}

/** Through POST /build of the engine at a unix socket. */
export function classicBuilder(socket: string, kind: 'own' | 'legacy'): Builder {
  return {
    kind,
    get: async (path) => JSON.parse((await ask(socket, 'GET', path)).body) as unknown,
    delete: async (path) => void (await ask(socket, 'DELETE', path)),
    build: async (buildCase) => {
      const { options } = buildCase;
      const query = new URLSearchParams({
        rm: '1', forcerm: '1', buildargs: JSON.stringify(options.args ?? {}), labels: JSON.stringify(options.labels ?? {}), target: options.target ?? '',
        ...(options.noCache === true ? { nocache: '1' } : {}), ...(options.network === undefined ? {} : { networkmode: options.network }),
        ...(options.shmSize === undefined ? {} : { shmsize: String(options.shmSize) }), ...(options.platforms?.[0] === undefined ? {} : { platform: options.platforms[0] }),
      });
      const { status, body } = await ask(socket, 'POST', `/build?${query.toString()}`, contextTar(buildCase));
      if (status !== 200) return { image: undefined, error: (JSON.parse(body) as { message: string }).message, output: [] };
      const messages = body.split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as { stream?: string; error?: string; aux?: { ID?: string } });
      const text = messages.map(({ stream }) => stream ?? '').join('').replaceAll(/\u001b\[\d+m/g, '');
      return { image: messages.findLast(({ aux }) => aux?.ID !== undefined)?.aux?.ID, error: messages.find(({ error }) => error !== undefined)?.error, output: text.split('\n') };
    },
  };
}

/** Through a buildx command line, which must speak to the engine at the socket. */
export function buildxBuilder(socket: string, command: readonly string[]): Builder {
  return {
    ...classicBuilder(socket, 'legacy'),
    kind: 'buildx',
    build: async (buildCase) => {
      const { options } = buildCase;
      // What is cached prints nothing.
      const flags = [
        '--no-cache',
        ...Object.entries(options.args ?? {}).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
        ...Object.entries(options.labels ?? {}).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
        ...(options.target === undefined ? [] : ['--target', options.target]), ...(options.network === undefined ? [] : ['--network', options.network]),
        ...(options.shmSize === undefined ? [] : ['--shm-size', String(options.shmSize)]),
      ];
      const [program = '', ...rest] = command;
      const child = spawn(program, [...rest, 'build', '--progress', 'plain', ...flags, '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
      let text = '';
      child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.stdin.end(contextTar(buildCase));
      await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
      return {
        image: /^#\d+ writing image (sha256:[0-9a-f]{64})/m.exec(text)?.[1],
        error: /^ERROR: (?:failed to solve: )?(.*)$/m.exec(text)?.[1],
        output: text.split('\n').map((line) => line.replace(/^#\d+ \d+\.\d+ /, '')),
      };
    },
  };
}

function ask(socketPath: string, method: string, path: string, body?: Buffer): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, headers: body === undefined ? {} : { 'content-type': 'application/x-tar', 'content-length': body.length } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('error', reject).on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    outgoing.on('error', reject).end(body);
  });
}
