import { TarReader } from '#spec/tar/reader.ts';

/** The text of the first file of a tar. */
export async function firstFile(tar: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Buffer[] = [];
  let done = false;
  const reader = new TarReader({ entry: () => {}, data: (chunk) => void (done || chunks.push(Buffer.from(chunk))), end: () => void (done = true) });
  for await (const chunk of tar) {
    reader.write(Buffer.from(chunk));
    if (done) break;
  }
  return Buffer.concat(chunks).toString();
}
