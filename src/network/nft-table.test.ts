import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { PublishedPort } from './firewall-state.ts';
import { compileAdd, compileDelete, compileTable, tableName } from './nft-table.ts';

const web: PublishedPort = { protocol: 'tcp', hostAddress: '0.0.0.0', hostPort: 8080, address: '172.17.0.2', containerPort: 80 };
const name: PublishedPort = { protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 5353, address: '172.18.0.2', containerPort: 53 };

/** GOLDEN=1 writes the file anew. */
function golden(file: string, text: string): void {
  const url = new URL(`./testdata/${file}`, import.meta.url);
  if (process.env['GOLDEN'] !== undefined) writeFileSync(url, text);
  assert.equal(text, readFileSync(url, 'utf8'));
}

test('the table of an engine without networks or ports', () => {
  golden('empty.nft', compileTable({ table: 'gantry', bridges: [], ports: [] }));
});

test('the table of networks of every kind and ports of both', () => {
  golden(
    'full.nft',
    compileTable({
      table: tableName('a1b2c3'),
      bridges: [
        { name: 'gantry0', subnet: '172.17.0.0/16', internal: false, masquerade: true },
        { name: 'br-routed', subnet: '172.18.0.0/16', internal: false, masquerade: false },
        { name: 'br-sealed', subnet: '172.19.0.0/16', internal: true, masquerade: true },
      ],
      ports: [web, name],
    }),
  );
});

test('one port comes and goes as one element', () => {
  assert.equal(
    compileAdd('gantry', [web, name]),
    'add element inet gantry published { tcp . 8080 : 172.17.0.2 . 80 }\nadd element inet gantry published_at { 127.0.0.1 . udp . 5353 : 172.18.0.2 . 53 }\n',
  );
  assert.equal(
    compileDelete('gantry', [web]),
    'add element inet gantry published { tcp . 8080 : 172.17.0.2 . 80 }\ndelete element inet gantry published { tcp . 8080 }\n',
  );
  assert.equal(compileAdd('gantry', []), '');
});
