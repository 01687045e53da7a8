import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Readable } from 'node:stream';
import { invalid } from '#base/errors.ts';

const decoders = [
  { name: 'xz', magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), paths: ['/usr/bin/xz', '/bin/xz'] },
  { name: 'bzip2', magic: Buffer.from('BZh'), paths: ['/usr/bin/bzip2', '/bin/bzip2'] },
] as const;

/**
 * Passes an archive on; what Node cannot decompress itself (xz, bzip2) goes through the host's own program, found by a
 * fixed path and run outside of any container's root.
 */
export async function* expandHostFormats(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < 6) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  const whole = (async function* (): AsyncGenerator<Uint8Array> {
    yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  })();
  const decoder = decoders.find(({ magic }) => head.subarray(0, magic.length).equals(magic));
  if (decoder === undefined) {
    yield* whole;
    return;
  }
  const program = decoder.paths.find((path) => existsSync(path));
  if (program === undefined) throw invalid(`the archive is compressed with ${decoder.name}, and the program ${decoder.name} is not installed: decompress it first`);
  const child = spawn(program, ['-d', '-c'], { cwd: '/', env: {}, stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject));
  ended.catch(() => {});
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(0, 500)));
  child.stdin.on('error', () => {});
  const feed = Readable.from(whole);
  feed.on('error', () => child.kill('SIGKILL'));
  feed.pipe(child.stdin);
  try {
    for await (const chunk of child.stdout) yield chunk as Uint8Array;
    if (feed.errored) throw feed.errored;
    if ((await ended) !== 0) throw invalid(`the archive is damaged: ${decoder.name} says ${JSON.stringify(complaint.trim())}`);
  } finally {
    feed.destroy();
    child.kill('SIGKILL');
  }
}
