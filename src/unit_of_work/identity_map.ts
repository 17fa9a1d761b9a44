import type { Entity, Entry } from "./entry.ts";
import { hasValue, keyText, storedValue } from "./row_key.ts";
import type { KnownEntities } from "./known_entities.ts";
import type { TableInfo } from "./table_info.ts";

/** One entry per table and key, and per entity. */
export class IdentityMap {
  readonly #byEntity = new Map<object, Entry>();
  readonly #known: KnownEntities;
  readonly #byTable = new Map<TableInfo, Map<string, Entry>>();
  /** Whether it has joined those that are asked. */
  #isKnown = false;
  /** What was tracked here, for messages. */
  #forgotten: WeakMap<object, TableInfo> | undefined;
  /** Rows whose keys have become known, and nobody has asked for. */
  readonly #waiting: Entry[] = [];

  /** @param known Hears of it. */
  constructor(known: KnownEntities) {
    this.#known = known;
  }

  /** The table of an entity that is, or was, tracked here. */
  knownTable(entity: object): TableInfo | undefined {
    return this.of(entity)?.table ?? this.#forgotten?.get(entity);
  }

  /** The table of an entity that is, or was, tracked here or elsewhere. */
  tableOf(entity: object): TableInfo | undefined {
    return this.#known.tableOf(entity);
  }

  /** All that are tracked. */
  get entries(): Iterable<Entry> {
    return this.#byEntity.values();
  }

  /** How many are tracked. */
  get size(): number {
    return this.#byEntity.size;
  }

  /** The entry of an entity, if it is tracked. */
  of(entity: object): Entry | undefined {
    return this.#byEntity.get(entity);
  }

  /** The entry under a key. */
  at(table: TableInfo, key: string): Entry | undefined {
    this.#settle();
    return this.#byTable.get(table)?.get(key);
  }

  /** Has an entry follow its row when somebody asks for keys. */
  follow(entry: Entry): void {
    this.#waiting.push(entry);
  }

  #settle(): void {
    for (const entry of this.#waiting.splice(0)) {
      const isTracked = this.#byEntity.get(entry.entity) === entry;
      if (isTracked && entry.state !== "new") this.move(entry, rowKey(entry));
    }
  }

  /** Tracks an entry, under its key if it has one. */
  set(entry: Entry): void {
    // Most sessions track nothing: a weak reference costs more than they do.
    if (!this.#isKnown) this.#known.join(this);
    this.#isKnown = true;
    this.#byEntity.set(entry.entity, entry);
    this.#index(entry);
  }

  #index(entry: Entry): void {
    if (entry.key === undefined) return;
    let ofTable = this.#byTable.get(entry.table);
    if (ofTable === undefined) {
      ofTable = new Map();
      this.#byTable.set(entry.table, ofTable);
    }
    ofTable.set(entry.key, entry);
  }

  /** Takes an entry out. */
  delete(entry: Entry): void {
    this.#forgotten ??= new WeakMap();
    this.#forgotten.set(entry.entity, entry.table);
    this.#byEntity.delete(entry.entity);
    this.#unindex(entry);
  }

  /** Forgets an entry for good: it is none of the session's any more. */
  forget(entry: Entry): void {
    entry.state = "gone";
    this.delete(entry);
  }

  /** Moves an entry to another key. */
  move(entry: Entry, key: string | undefined): void {
    if (entry.key === key) return;
    this.#unindex(entry);
    entry.key = key;
    this.#index(entry);
  }

  /** Somebody else may have its key by now. */
  #unindex(entry: Entry): void {
    if (entry.key === undefined) return;
    const ofTable = this.#byTable.get(entry.table);
    if (ofTable?.get(entry.key) === entry) ofTable.delete(entry.key);
  }
}

/**
 * The key that an entity has now, as the identity map has it.
 *
 * @param table Its table.
 * @param entity The entity.
 * @returns Nothing where the database has yet to make a part of it.
 */
export function entityKey(
  table: TableInfo,
  entity: Entity,
): string | undefined {
  return keyText(
    table.primaryKey,
    ({ key }) => hasValue(entity, key) ? entity[key] : undefined,
  );
}

/**
 * The key that the row of an entry has, as far as it is known.
 *
 * @param entry The entry.
 */
export function rowKey(entry: Entry): string | undefined {
  return keyText(
    entry.table.primaryKey,
    (column) => storedValue(entry, column),
  );
}
