import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isXz, piecesOf, unxz } from './xz.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-xz-'));
after(() => rmSync(folder, { recursive: true }));

/** `hello`. */
const hello = Buffer.from('/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAEaGVsbG8AAAAAsTe52+XaHpsAAR0FuC2Arx+2830BAAAAAARZWg==', 'base64');

function open(content: Uint8Array): number {
  const path = join(folder, 'file');
  writeFileSync(path, content);
  return openSync(path, 'r');
}

test('xz is decompressed from the beginning of a file, again and again', async () => {
  const fd = open(hello);
  assert.ok(isXz(hello));
  assert.equal(Buffer.concat(await Array.fromAsync(unxz(piecesOf(fd)))).toString(), 'hello');
  assert.equal(Buffer.concat(await Array.fromAsync(unxz(piecesOf(fd)))).toString(), 'hello');
  closeSync(fd);
});

test('damaged and cut files are refused', async () => {
  for (const bad of [hello.subarray(0, 20), Buffer.concat([hello.subarray(0, 12), Buffer.alloc(40, 0xff)])]) {
    const fd = open(bad);
    await assert.rejects(Array.fromAsync(unxz(piecesOf(fd))), /the archive is damaged/);
    closeSync(fd);
  }
});
