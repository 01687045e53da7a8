/**
 * A volume plugin in a process of its own, for tests: folders below STATE/data, every call noted in STATE/calls. A file
 * STATE/mood makes it misbehave: `hang Mount` never answers, `die Mount` ends, `fail Mount` answers with an error, and
 * `lie-path`, `lie-type`, `lie-create`, `lie-name` tell what is not so.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

export type Mood = '' | 'lie-path' | 'lie-type' | 'lie-create' | 'lie-name' | `${'hang' | 'die' | 'fail'} ${string}`;

const [socket = '', state = ''] = process.argv.slice(2);
const data = join(state, 'data');
mkdirSync(data, { recursive: true });

const mood = (): string => {
  try {
    return readFileSync(join(state, 'mood'), 'utf8').trim();
  } catch {
    return '';
  }
};
const has = (name: string): boolean => readdirSync(data).includes(name);
const describe = (name: string): object => ({ Name: name, Mountpoint: join(data, name), CreatedAt: '2026-01-02T03:04:05Z', Status: { fresh: { is: true } } });

const methods: Record<string, (body: { Name: string; ID: string }) => object> = {
  'Plugin.Activate': () => ({ Implements: ['VolumeDriver'] }),
  'VolumeDriver.Capabilities': () => ({ Capabilities: { Scope: 'global' } }),
  'VolumeDriver.Create': ({ Name }) => {
    if (mood() !== 'lie-create') mkdirSync(join(data, Name), { recursive: true });
    return {};
  },
  'VolumeDriver.Remove': ({ Name }) => {
    if (!has(Name)) return { Err: `no volume ${Name}` };
    rmSync(join(data, Name), { recursive: true });
    return {};
  },
  'VolumeDriver.Get': ({ Name }) => {
    if (mood() === 'lie-name') return { Volume: describe('another') };
    return has(Name) ? { Volume: describe(Name) } : { Err: `no volume ${Name}` };
  },
  'VolumeDriver.List': () => ({ Volumes: [...readdirSync(data).map(describe), ...(mood() === 'lie-name' ? [{ Name: '../../etc' }, { Name: 7 }, null] : [])] }),
  'VolumeDriver.Path': ({ Name }) => ({ Mountpoint: join(data, Name) }),
  'VolumeDriver.Mount': ({ Name }) => {
    if (mood() === 'lie-path') return { Mountpoint: '/nowhere/at/all' };
    if (mood() === 'lie-type') return { Mountpoint: 'etc' };
    return { Mountpoint: join(data, Name) };
  },
  'VolumeDriver.Unmount': () => ({}),
};

createServer((request, response) => {
  const method = (request.url ?? '').slice(1);
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString()));
  request.on('end', () => {
    appendFileSync(join(state, 'calls'), `${method} ${text}\n`);
    const short = method.slice(method.indexOf('.') + 1);
    if (mood() === `hang ${short}`) return;
    if (mood() === `die ${short}`) process.exit(1);
    const answer = mood() === `fail ${short}` ? { Err: `${short} is not to be` } : (methods[method]?.(text === '' ? { Name: '', ID: '' } : (JSON.parse(text) as { Name: string; ID: string })) ?? { Err: 'unknown' });
    response.writeHead('Err' in answer ? 500 : 200, { 'Content-Type': 'application/vnd.docker.plugins.v1.2+json' });
    response.end(JSON.stringify(answer));
  });
}).listen(socket, () => process.stdout.write('listening\n'));
