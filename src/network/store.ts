import type { Database, Migration } from '#host/database.ts';
import type { NetworkRecord, SandboxRecord } from './record.ts';
import { upgradeNetwork, upgradeSandbox, type FormerNetwork, type FormerSandbox } from './upgrade.ts';

export const networkMigrations: readonly Migration[] = [
  {
    id: 'network-1',
    sql: `
      CREATE TABLE network (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE sandbox (id TEXT PRIMARY KEY, container TEXT NOT NULL, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE INDEX sandbox_container ON sandbox (container);
    `,
  },
];

/** Networks and sandboxes in the state database. Reading happens once, at the start; memory mirrors it from then on. */
export interface NetworkStore {
  networks(): NetworkRecord[];
  sandboxes(): SandboxRecord[];
  saveNetwork(record: NetworkRecord): void;
  deleteNetwork(id: string): void;
  saveSandbox(record: SandboxRecord): void;
  deleteSandbox(id: string): void;
}

export function openNetworkStore({ handle }: Database): NetworkStore {
  const saveNetwork = handle.prepare('INSERT INTO network VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, record = excluded.record');
  const deleteNetwork = handle.prepare('DELETE FROM network WHERE id = ?');
  const saveSandbox = handle.prepare('INSERT INTO sandbox VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record');
  const deleteSandbox = handle.prepare('DELETE FROM sandbox WHERE id = ?');
  const records = <T>(table: 'network' | 'sandbox'): T[] =>
    handle
      .prepare(`SELECT record FROM ${table}`)
      .all()
      .map((row) => JSON.parse(String(row['record'])) as T);
  return {
    networks: () => records<NetworkRecord | FormerNetwork>('network').map(upgradeNetwork),
    sandboxes: () => records<SandboxRecord | FormerSandbox>('sandbox').map(upgradeSandbox),
    saveNetwork: (record) => void saveNetwork.run(record.id, record.name, JSON.stringify(record)),
    deleteNetwork: (id) => void deleteNetwork.run(id),
    saveSandbox: (record) => void saveSandbox.run(record.id, record.container, JSON.stringify(record)),
    deleteSandbox: (id) => void deleteSandbox.run(id),
  };
}
