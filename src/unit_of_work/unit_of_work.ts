import type { Result } from "../driver/statement.ts";
import {
  duplicateError,
  noPrimaryKeyError,
  removedError,
  unknownEntityError,
} from "./_refusals.ts";
import { type Change, changedColumns, changeOf } from "./change_set.ts";
import { type Entity, type Entry, type EntryState, newEntry } from "./entry.ts";
import { givenRow, rawRow, type ReadRow } from "./read_row.ts";
import { planFlush, type PlannedStatement } from "./flush_plan.ts";
import { fillIn, keepAll, refresh } from "./entry_values.ts";
import { entityKey, IdentityMap, rowKey } from "./identity_map.ts";
import { type KeptValue, restored, UNKNOWN } from "./kept_value.ts";
import { KeyReference } from "./key_reference.ts";
import { EntityMaker, setValue } from "./new_entity.ts";
import { Ref } from "./ref.ts";
import { hasValue, keyText } from "./row_key.ts";
import {
  type ColumnInfo,
  columnOf,
  columnsToRead,
  type TableInfo,
  XMIN,
} from "./table_info.ts";
import { NEVER, UndoLog } from "./undo_log.ts";

/** How a row is taken in. */
export interface LoadOptions {
  /** Whether it replaces what was read before, except what was changed since. */
  readonly overwrite: boolean;
}

/**
 * The changes of a session that the database has yet to see, and what it knows
 * of the rows it has loaded: one object per table and key.
 *
 * It sends nothing. A flush takes its changes as statements, and gives it the
 * answers.
 */
export class UnitOfWork {
  readonly #map = new IdentityMap();
  readonly #maker = new EntityMaker((target) => this.#valueOf(target));
  readonly #log = new UndoLog(this.#map, this.#maker);
  /** Counts transactions: values that were read are those of one. */
  #epoch = 0;
  #publications = 0;

  /** Whether nothing is tracked: there can be nothing to flush. */
  get isEmpty(): boolean {
    return this.#map.size === 0;
  }

  /** Counts transactions. */
  get epoch(): number {
    return this.#epoch;
  }

  /** How far it is; give it to `undo`. */
  get mark(): number {
    return this.#log.mark;
  }

  /**
   * Entities in a state that the next flush changes.
   *
   * @param state Which; `stored` for those that were changed.
   */
  pending(state: EntryState): Entity[] {
    const found: Entity[] = [];
    for (const entry of this.#map.entries) {
      if (entry.state !== state) continue;
      if (state === "stored" && changedColumns(entry).length === 0) continue;
      found.push(entry.entity);
    }
    return found;
  }

  /**
   * Whether a flush would write.
   *
   * @param tables Asks for these only, by name.
   */
  hasChanges(tables?: ReadonlySet<string>): boolean {
    for (const entry of this.#map.entries) {
      if (tables !== undefined && !tables.has(entry.table.name)) continue;
      if (entry.state === "new" || entry.state === "removed") return true;
      if (entry.state === "stored" && changedColumns(entry).length > 0) {
        return true;
      }
    }
    return false;
  }

  /** How many rows a flush would write. */
  countPending(): number {
    let count = 0;
    for (const { state } of this.#map.entries) {
      if (state === "new" || state === "removed") count++;
    }
    return count + this.pending("stored").length;
  }

  /**
   * Makes an entity that the next flush inserts.
   *
   * @param table Its table.
   * @param values What is given, by property.
   * @returns The entity.
   * @throws {StateError} When the table has no key, a value is missing, a
   * reference leads nowhere, or another entity has its key.
   * @throws {TypeError} When a property is no column, or a part of the key NaN.
   */
  add(table: TableInfo, values: Readonly<Record<string, unknown>>): Entity {
    checkKey("add", table);
    const made = this.#maker.make(table, values);
    const { entity, refs, expressions } = made;
    const key = made.hasKey ? entityKey(table, entity) : undefined;
    const entry = newEntry(table, entity, "new", { refs, expressions });
    entry.key = key;
    if (key !== undefined) this.#checkFree("add", entry, key);
    this.#log.note(entry);
    this.#map.set(entry);
    return entity;
  }

  /**
   * Has the next flush delete an entity; one that was only added is forgotten.
   *
   * @param entity What `add`, `get` or `find` returned.
   * @throws {StateError} When it is not of this session.
   */
  remove(entity: object): void {
    const entry = this.#entryOf("remove", entity);
    if (entry.state === "removed") return;
    this.#log.note(entry);
    if (entry.state === "new") return this.#forget(entry);
    entry.last = keepAll(entry);
    entry.state = "removed";
  }

  /**
   * Forgets an entity; what was changed stays in it and is not written.
   *
   * @param entity What `add`, `get` or `find` returned.
   * @throws {StateError} When it is not of this session.
   */
  expunge(entity: object): void {
    const entry = this.#entryOf("expunge", entity);
    this.#log.note(entry);
    this.#forget(entry);
  }

  /**
   * The table of an entity, and the key that its row has.
   *
   * @param call What it is needed for.
   * @param entity What `add`, `get` or `find` returned.
   * @throws {StateError} When it is not of this session, was removed, or has no
   * row yet.
   */
  rowOf(call: string, entity: object): { table: TableInfo; key: unknown[] } {
    const { table, row, state } = this.#entryOf(call, entity);
    if (state === "removed") throw removedError(call, table, entity);
    return { table, key: table.primaryKey.map(({ at }) => row[at]) };
  }

  /**
   * The entity with a key, if its values are those of this transaction.
   *
   * @param table The table.
   * @param key Its key, as text.
   * @returns It; `null` where it was removed; nothing where the database has to
   * be asked.
   */
  present(table: TableInfo, key: string): Entity | null | undefined {
    const entry = this.#map.at(table, key);
    if (entry === undefined) return undefined;
    if (entry.state === "removed") return null;
    return entry.readIn === this.#epoch ? entry.entity : undefined;
  }

  /**
   * Takes in a row that was read.
   *
   * @param table Its table.
   * @param raw All columns as the driver has parsed them, and `xmin` behind
   * them where the table's version is that.
   * @param options How it is taken in.
   * @returns The entity that the session has for it, or a new one.
   */
  load(
    table: TableInfo,
    raw: readonly unknown[],
    options: LoadOptions,
  ): Entity {
    return this.#take(rawRow(table, raw), options);
  }

  /**
   * Tracks a row that a select has given.
   *
   * @param table Its table.
   * @param entity The row, by property.
   * @returns The entity that the session has for it, or the row itself.
   * @throws {StateError} When the table has no key.
   * @throws {TypeError} When a part of the key is missing.
   */
  track(table: TableInfo, entity: Entity): Entity {
    checkKey("track", table);
    return this.#take(givenRow(table, entity), { overwrite: false });
  }

  /** Calls for rows to be read again, because something else has written. */
  invalidate(tables: ReadonlySet<string> | undefined): void {
    for (const entry of this.#map.entries) {
      const isMeant = tables === undefined || tables.has(entry.table.name);
      if (isMeant && entry.state !== "new") entry.readIn = NEVER;
    }
  }

  /** Forgets the entity of a row that is not there any more. */
  forgetRow(table: TableInfo, key: string): void {
    const entry = this.#map.at(table, key);
    if (entry === undefined || entry.state === "new") return;
    this.#log.note(entry);
    this.#forget(entry);
  }

  /**
   * Takes the changes as statements. From here on they count as done; a
   * rollback brings them back.
   *
   * @param options Whether statements yet unknown may refer to what it makes.
   * @returns The statements, in order.
   * @throws {StateError} When changes wait for each other, a removed entity was
   * changed, or a reference leads nowhere.
   * @throws {TypeError} When a value is none of its column's type.
   */
  seal(options: { readonly publishAll: boolean }): PlannedStatement[] {
    const changes: Change[] = [];
    const entryOf = (entity: object) => this.#map.of(entity);
    for (const entry of this.#map.entries) {
      const change = changeOf(entry, entryOf);
      if (change !== undefined) changes.push(change);
    }
    if (changes.length === 0) return [];
    this.#checkKeys(changes);
    const planned = planFlush(changes, {
      ...options,
      newName: () => `nullpool.k${++this.#publications}`,
    });
    for (const { changes, publications, rows } of planned) {
      for (const [at, change] of changes.entries()) {
        this.#adopt(change, publications, at + 1);
        rows.push(change.entry.row);
      }
    }
    return planned;
  }

  /**
   * Takes in the answer to a statement: what the database has made.
   *
   * @param planned The statement.
   * @param result Its answer.
   */
  answer({ changes, rows }: PlannedStatement, result: Result): void {
    const [first] = changes;
    if (first === undefined || first.kind === "delete") return;
    for (let at = 0; at < changes.length; at++) {
      const entry = changes[at]?.entry;
      const raw = result.rows[at];
      if (entry === undefined) continue;
      entry.awaited--;
      if (Array.isArray(raw)) this.#fill(entry, rows[at] ?? entry.row, raw);
    }
  }

  /** Takes in a row that came back; its columns are those that are read. */
  #fill(entry: Entry, sealed: KeptValue[], raw: readonly unknown[]): void {
    const { table } = entry;
    const read = columnsToRead(table);
    for (let index = 0; index < read.length; index++) {
      const column = read[index];
      if (column) fillIn(entry, sealed, column, raw[index]);
    }
    if (table.version === XMIN) {
      sealed[table.columns.length] = raw[read.length];
    }
    if (entry.key === undefined || entry.table.readBack === "all") {
      this.#map.follow(entry);
    }
  }

  /**
   * Gives up waiting for the answer to a statement: it failed, or was undone.
   *
   * @param planned The statement.
   */
  unanswered({ changes }: PlannedStatement): void {
    for (const { entry, kind } of changes) {
      if (kind !== "delete") entry.awaited--;
    }
  }

  /**
   * Undoes what was done since a mark.
   *
   * @param mark How far it was.
   */
  undo(mark: number): void {
    this.#log.undo(mark);
  }

  /** Follows the end of a transaction: what comes now is another one's. */
  nextTransaction(): void {
    this.#log.clear();
    this.#epoch++;
  }

  #take(
    { table, kept, values, makeEntity }: ReadRow,
    { overwrite }: LoadOptions,
  ): Entity {
    const key = keyText(table.primaryKey, ({ at }) => values[at]);
    const present = key === undefined ? undefined : this.#map.at(table, key);
    if (present === undefined) {
      const entry = newEntry(table, makeEntity(), "stored");
      entry.key = key;
      entry.row = kept;
      entry.readIn = this.#epoch;
      this.#map.set(entry);
      this.#log.note(entry);
      return entry.entity;
    }
    const isDue = overwrite || present.readIn !== this.#epoch;
    if (!isDue || present.state === "new") return present.entity;
    this.#log.note(present);
    refresh(present, kept, values);
    present.readIn = this.#epoch;
    return present.entity;
  }

  #adopt(
    change: Change,
    publications: ReadonlyMap<string, string>,
    place: number,
  ): void {
    const { entry, kind, columns, values } = change;
    this.#log.note(entry);
    if (kind === "delete") return this.#forget(entry);
    const { table } = entry;
    const row = kind === "insert" ? table.columns.map(unknown) : [...entry.row];
    for (let at = 0; at < columns.length; at++) {
      const column = columns[at];
      if (column) row[column.at] = this.#known(entry, column, values[at]);
    }
    for (const [key, name] of publications) {
      publish(entry, key, new KeyReference(name, place));
    }
    entry.row = row;
    entry.state = "stored";
    entry.readIn = this.#epoch;
    entry.awaited++;
    this.#countVersion(entry, kind);
    this.#map.move(entry, rowKey(entry));
  }

  /** A value that a statement writes, as far as it is known. */
  #known(entry: Entry, { key }: ColumnInfo, value: unknown): KeptValue {
    if (entry.refs === undefined) return value;
    const source = value instanceof Ref
      ? this.#map.of(value.entity)?.published?.get(value.key)
      : value;
    if (source instanceof KeyReference) publish(entry, key, source);
    if (value instanceof Ref || value instanceof KeyReference) return UNKNOWN;
    // What it referred to has got its key since.
    const isLate = value !== null && entry.refs.has(key);
    if (isLate && !hasValue(entry.entity, key)) {
      setValue(entry.entity, key, restored(value));
    }
    return value;
  }

  /** What the statement does, too; where nothing is read back, nobody tells. */
  #countVersion({ table, row, entity }: Entry, kind: Change["kind"]): void {
    const { version } = table;
    if (version === undefined || kind !== "update") return;
    if (version === XMIN) {
      row[table.columns.length] = UNKNOWN;
      return;
    }
    const { at } = columnOf(table, version);
    const present = row[at];
    if (typeof present === "number") row[at] = present + 1;
    else if (typeof present === "bigint") row[at] = present + 1n;
    else return;
    setValue(entity, version, row[at]);
  }

  /** Two rows cannot have one key, unless one of them goes. */
  #checkKeys(changes: readonly Change[]): void {
    for (const { entry, kind, columns } of changes) {
      const { table, entity } = entry;
      // The database makes the key, or nothing is written of it.
      const isGiven = kind !== "delete" &&
        table.primaryKey.some((column) => columns.includes(column));
      if (!isGiven) continue;
      const key = entityKey(table, entity);
      if (key === undefined) continue;
      if (key !== entry.key) this.#checkFree("flush", entry, key);
      if (kind === "insert") this.#map.move(entry, key);
    }
  }

  #checkFree(call: string, { table, entity }: Entry, key: string): void {
    const present = this.#map.at(table, key);
    if (present === undefined || present.entity === entity) return;
    if (present.state === "removed") return;
    if (isMoving(present)) return;
    throw duplicateError(call, table, [present.entity, entity]);
  }

  #forget(entry: Entry): void {
    entry.state = "gone";
    this.#map.delete(entry);
  }

  #entryOf(call: string, entity: object): Entry {
    const entry = this.#map.of(entity);
    if (entry === undefined) throw unknownEntityError(call, entity);
    return entry;
  }

  #valueOf({ entity, key }: Ref<unknown>): unknown {
    const { table } = this.#entryOf("use a ref", entity);
    const { key: property } = columnOf(table, key);
    return hasValue(entity, property) ? Reflect.get(entity, property) : UNKNOWN;
  }
}

function checkKey(call: string, table: TableInfo): void {
  if (table.primaryKey.length === 0) throw noPrimaryKeyError(call, table);
}

function unknown(): KeptValue {
  return UNKNOWN;
}

/** Says where statements find a value of an entry. */
function publish(entry: Entry, key: string, reference: KeyReference): void {
  entry.published = new Map(entry.published).set(key, reference);
}

/** Whether its row is to get another key. */
function isMoving(entry: Entry): boolean {
  const key = entityKey(entry.table, entry.entity);
  return key !== undefined && key !== entry.key;
}
