import { createWriteStream } from 'node:fs';
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { Transform } from 'node:stream';
import { createGzip } from 'node:zlib';
import { sha256Digest, type Digest } from '#spec/digest.ts';

/** Gzips what comes into a new file; the same bytes give the same result. Compression runs on the thread pool. */
export async function compressFile(from: AsyncIterable<Uint8Array>, to: string, signal: AbortSignal, onRead: (bytes: number) => void): Promise<{ digest: Digest; size: number }> {
  const hash = createHash('sha256');
  let read = 0;
  let size = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      read += chunk.length;
      onRead(read);
      done(null, chunk);
    },
  });
  const tally = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  const gzip = createGzip({ level: 6, chunkSize: 1 << 18 });
  await pipeline(from, count, gzip, tally, createWriteStream(to, { mode: 0o600, flags: 'wx' }), { signal });
  return { digest: sha256Digest(hash.digest('hex')), size };
}
