import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openDatabase } from './database.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-database-'));
after(() => rmSync(folder, { recursive: true }));

test('migrations apply once and in order; those of a newer program are refused', () => {
  const path = join(folder, 'migrations.db');
  const first = { id: 'a-1', sql: 'CREATE TABLE a (x INTEGER) STRICT' };
  const second = { id: 'a-2', sql: 'ALTER TABLE a ADD COLUMN y INTEGER' };
  openDatabase(path, [first]).close();
  const db = openDatabase(path, [first, second]);
  db.handle.exec('INSERT INTO a (x, y) VALUES (1, 2)');
  db.close();
  assert.throws(() => openDatabase(path, [first]), /written by a newer Gantry \(migration a-2\)/);
});

test('a transaction that throws leaves nothing, a nested one joins the outer', () => {
  const db = openDatabase(join(folder, 'transactions.db'), [{ id: 'a-1', sql: 'CREATE TABLE a (x INTEGER) STRICT' }]);
  const count = (): unknown => db.handle.prepare('SELECT count(*) AS n FROM a').get()?.['n'];
  const insert = (): void => db.handle.exec('INSERT INTO a VALUES (1)');
  assert.throws(() => db.transaction(() => {
    insert();
    db.transaction(insert);
    throw new Error('no');
  }), /no/);
  assert.equal(count(), 0);
  db.transaction(() => db.transaction(insert));
  assert.equal(count(), 1);
  db.close();
});

test('room for changes on a full disk is taken beforehand', () => {
  const path = join(folder, 'reserve.db');
  const db = openDatabase(path, []);
  assert.ok(statSync(`${path}-wal`).size >= 3_500_000);
  const before = statSync(`${path}-wal`).size;
  for (let turn = 0; turn < 50; turn++) db.handle.exec('CREATE TABLE IF NOT EXISTS t (x INTEGER) STRICT; INSERT INTO t VALUES (1)');
  assert.equal(statSync(`${path}-wal`).size, before, 'the log is written over');
  db.close();
});
