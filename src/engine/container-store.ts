import { ZERO_TIME } from '#base/clock.ts';
import { conflict, EngineError, invalid, notFound } from '#base/errors.ts';
import type { Database, Migration } from '#host/database.ts';
import { asContainerId, type ContainerId } from '#spec/ids.ts';
import type { ConditionPatch, ContainerCondition, ContainerDefinition, ContainerRecord, DefinitionPatch } from './container-record.ts';
import { mayBecome } from './container-state.ts';

/** container   one row each; `definition` and `condition` are versioned JSON (container-record.ts), `name` has no slash */
export const containerMigrations: readonly Migration[] = [
  {
    id: 'container-1',
    sql: `
      CREATE TABLE container (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, status TEXT NOT NULL, created TEXT NOT NULL,
        definition TEXT NOT NULL, condition TEXT NOT NULL
      ) STRICT;
      CREATE INDEX container_by_status ON container(status);`,
  },
];

const fresh: Omit<ContainerCondition, 'version'> = {
  life: { status: 'created' },
  starting: false,
  exitCode: 0,
  error: '',
  oomKilled: false,
  startedAt: ZERO_TIME,
  finishedAt: ZERO_TIME,
  restartCount: 0,
  restartDelay: 0,
  stoppedByUser: false,
  health: undefined,
};

/**
 * The records of all containers: read from memory, written through to SQLite. Only this class changes them, and only
 * along the table of transitions. Writes join the caller's transaction when there is one.
 */
export class ContainerStore {
  readonly #database: Database;
  readonly #records = new Map<ContainerId, ContainerRecord>();
  readonly #names = new Map<string, ContainerId>();
  readonly #statements;
  /** While a transaction runs. */
  #undo: (() => void)[] | undefined;

  constructor(database: Database) {
    this.#database = database;
    const prepare = (sql: string) => database.handle.prepare(sql);
    this.#statements = {
      insert: prepare('INSERT INTO container VALUES (?, ?, ?, ?, ?, ?)'),
      condition: prepare('UPDATE container SET status = ?, condition = ? WHERE id = ?'),
      definition: prepare('UPDATE container SET name = ?, definition = ? WHERE id = ?'),
      remove: prepare('DELETE FROM container WHERE id = ?'),
    };
    for (const row of prepare('SELECT definition, condition FROM container ORDER BY created').all()) {
      const record = parseRow(String(row['definition']), String(row['condition']));
      this.#records.set(record.id, record);
      this.#names.set(record.name, record.id);
    }
  }

  /** One write transaction; nested calls join the outer one. What throws leaves records and database as they were. */
  transaction<T>(task: () => T): T {
    if (this.#undo !== undefined) return task();
    this.#undo = [];
    try {
      return this.#database.transaction(task);
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo();
      throw error;
    } finally {
      this.#undo = undefined;
    }
  }

  /** Replaces (or removes) a record in memory, so that a failing transaction can put it back. */
  #set(id: ContainerId, after: ContainerRecord | undefined): void {
    const before = this.#records.get(id);
    const put = (from: ContainerRecord | undefined, to: ContainerRecord | undefined): void => {
      if (from && from.name !== to?.name) this.#names.delete(from.name);
      if (to) this.#names.set(to.name, id);
      if (to) this.#records.set(id, to);
      else this.#records.delete(id);
    };
    put(before, after);
    this.#undo?.push(() => put(after, before));
  }

  /** In order of creation. */
  all(): IterableIterator<ContainerRecord> {
    return this.#records.values();
  }

  get(id: ContainerId): ContainerRecord | undefined {
    return this.#records.get(id);
  }

  /** By full id, name (a leading slash is allowed) or unique id prefix. */
  find(given: string): ContainerRecord {
    const exact = this.#records.get(asContainerId(given));
    if (exact) return exact;
    const named = this.#names.get(given.startsWith('/') ? given.slice(1) : given);
    if (named !== undefined) return this.require(named);
    if (given !== '') {
      let found: ContainerRecord | undefined;
      for (const record of this.#records.values()) {
        if (!record.id.startsWith(given)) continue;
        if (found) throw invalid(`Multiple IDs found with provided prefix: ${given}`);
        found = record;
      }
      if (found) return found;
    }
    throw notFound(`No such container: ${given}`);
  }

  /** The record of a container known by its id; gone meanwhile: not_found. */
  require(id: ContainerId): ContainerRecord {
    const record = this.#records.get(id);
    if (!record) throw notFound(`No such container: ${id}`);
    return record;
  }

  nameInUse(name: string): ContainerId | undefined {
    return this.#names.get(name);
  }

  /** Throws conflict when the name is taken. */
  insert(definition: ContainerDefinition): ContainerRecord {
    this.#requireFree(definition.name);
    const condition: ContainerCondition = { version: 1, ...fresh };
    this.#statements.insert.run(
      definition.id, definition.name, condition.life.status, definition.created, JSON.stringify(definition), JSON.stringify(condition),
    );
    const record = join(definition, condition);
    this.#set(record.id, record);
    return record;
  }

  /** Writes what changed about the container's condition. Throws internal for a transition that is not in the table. */
  change(id: ContainerId, patch: ConditionPatch): ContainerRecord {
    const before = this.require(id);
    const after: ContainerRecord = { ...before, ...patch };
    if (!mayBecome(before.life.status, after.life.status)) {
      throw new EngineError('internal', `container ${id} cannot go from ${before.life.status} to ${after.life.status}`);
    }
    this.#statements.condition.run(after.life.status, JSON.stringify(conditionOf(after)), id);
    this.#set(id, after);
    return after;
  }

  /** Writes what changed about its definition. Throws conflict when a new name is taken. */
  redefine(id: ContainerId, patch: DefinitionPatch): ContainerRecord {
    const before = this.require(id);
    const after: ContainerRecord = { ...before, ...patch };
    if (after.name !== before.name) this.#requireFree(after.name);
    this.#statements.definition.run(after.name, JSON.stringify(definitionOf(after)), id);
    this.#set(id, after);
    return after;
  }

  remove(id: ContainerId): void {
    if (!this.#records.has(id)) return;
    this.#statements.remove.run(id);
    this.#set(id, undefined);
  }

  #requireFree(name: string): void {
    const holder = this.#names.get(name);
    if (holder !== undefined) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${holder}". ` +
          'You have to remove (or rename) that container to be able to reuse that name.',
      );
    }
  }
}

function parseRow(definition: string, condition: string): ContainerRecord {
  return join(JSON.parse(definition) as ContainerDefinition, JSON.parse(condition) as ContainerCondition);
}

function join({ version: _, ...definition }: ContainerDefinition, { version: __, ...condition }: ContainerCondition): ContainerRecord {
  return { ...definition, ...condition, health: condition.health };
}

function definitionOf(record: ContainerRecord): ContainerDefinition {
  const { id, name, created, image, platform, config, hostConfig, mounts, networks } = record;
  return { version: 1, id, name, created, image, platform, config, hostConfig, mounts, networks };
}

function conditionOf(record: ContainerRecord): ContainerCondition {
  const { life, starting, exitCode, error, oomKilled, startedAt, finishedAt, restartCount, restartDelay, stoppedByUser, health } = record;
  return { version: 1, life, starting, exitCode, error, oomKilled, startedAt, finishedAt, restartCount, restartDelay, stoppedByUser, health };
}
