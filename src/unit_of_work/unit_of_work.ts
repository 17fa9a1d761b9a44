import { checkFree, checkTargets, takeKeys } from "./_key_checks.ts";
import { OtherWrites } from "./_other_writes.ts";
import {
  checkEntity,
  notFlushedError,
  removedError,
  unknownEntityError,
} from "./_refusals.ts";
import type { Result } from "../driver/statement.ts";
import {
  type Change,
  changedColumns,
  changeOf,
  showMade,
} from "./change_set.ts";
import { type Entity, type Entry, type EntryState, newEntry } from "./entry.ts";
import { givenRow, rawRow, type ReadRow } from "./read_row.ts";
import { planFlush, type PlannedStatement } from "./flush_plan.ts";
import { keepAll, refresh } from "./entry_values.ts";
import { entityKey, IdentityMap } from "./identity_map.ts";
import { KnownEntities } from "./known_entities.ts";
import { restored, UNKNOWN } from "./kept_value.ts";
import { EntityMaker } from "./new_entity.ts";
import type { Ref } from "./ref.ts";
import { hasValue, keyText, requireKey } from "./row_key.ts";
import { columnOf, type TableInfo } from "./table_info.ts";
import { NEVER, UndoLog } from "./undo_log.ts";
import type { ConflictRule } from "./conflict.ts";
import { isUnsure, prepareUpsert, type UpdateValues } from "./upsert.ts";
import { type Refusal, WrittenRows } from "./written_rows.ts";

/** How a row is taken in. */
export interface LoadOptions {
  /** When it was asked for: what was written since makes it old. */
  readonly askedAt: number;
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
  /**
   * Keeps what V8 knows of its objects over garbage collections that find no
   * other; see `PlainShape`.
   */
  static readonly #specimen = new UnitOfWork();
  readonly #written: WrittenRows;
  readonly #identities: IdentityMap;
  readonly #maker = new EntityMaker((target, place) =>
    this.#valueOf(target, place)
  );
  readonly #undoLog: UndoLog;
  /** Statements that were taken out, and not noted as done. */
  readonly #sealed: PlannedStatement[] = [];
  /** Counts transactions: values that were read are those of one. */
  #epoch = 0;
  readonly #others = new OtherWrites();
  /** Whether that was in this transaction. */
  #isDisturbed = false;
  #publications = 0;

  /**
   * Creates one that knows nothing.
   *
   * @param known Knows the entities of all sessions, for messages.
   */
  constructor(known: KnownEntities = new KnownEntities()) {
    this.#identities = new IdentityMap(known);
    this.#undoLog = new UndoLog(this.#identities);
    this.#written = new WrittenRows(this.#identities);
  }

  /** Whoever asks finds everything noted. */
  get #map(): IdentityMap {
    this.noteSealed();
    return this.#identities;
  }

  get #log(): UndoLog {
    this.noteSealed();
    return this.#undoLog;
  }

  /** Whether nothing is tracked: there can be nothing to flush. */
  get isEmpty(): boolean {
    return this.#map.size === 0;
  }

  /** Counts transactions. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The time of now, for what is asked for. */
  get now(): number {
    return this.#others.now;
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
    const entries = [...this.#changed()];
    return entries.filter((entry) => entry.state === state)
      .map(({ entity }) => entity);
  }

  /**
   * Whether a flush would write.
   *
   * @param tables Asks for these only, by name.
   */
  hasChanges(tables?: ReadonlySet<string>): boolean {
    return !this.#changed(tables).next().done;
  }

  /** How many rows a flush would write. */
  countPending(): number {
    return [...this.#changed()].length;
  }

  *#changed(tables?: ReadonlySet<string>): Generator<Entry, void> {
    for (const entry of this.#map.entries) {
      if (tables !== undefined && !tables.has(entry.table.name)) continue;
      if (entry.state !== "stored" || changedColumns(entry).length > 0) {
        yield entry;
      }
    }
  }

  /**
   * Makes an entity that the next flush inserts.
   *
   * @param table Its table.
   * @param values What is given, by property.
   * @param rule What becomes of a row that is there; without it that is an
   * error of the database.
   * @returns The entity.
   * @throws {StateError} When the table has no key, a value is missing, a
   * reference leads nowhere, or another entity has its key.
   * @throws {TypeError} When a property is no column, or a part of the key NaN.
   */
  add(
    table: TableInfo,
    values: Readonly<Record<string, unknown>>,
    rule?: ConflictRule,
  ): Entity {
    requireKey("add to", table);
    const plain = this.#maker.make(table, values);
    const made = rule ? prepareUpsert(rule, table, values, plain) : plain;
    const { entity } = made;
    const key = made.hasKey ? entityKey(table, entity) : undefined;
    const entry = newEntry(table, entity, "new", made);
    entry.key = key;
    if (key !== undefined) checkFree(this.#map, entry, { call: "add", key });
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
    if (entry.state === "new") return this.#map.forget(entry);
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
    // No rollback brings it back.
    entry.isExpunged = true;
    this.#map.forget(entry);
  }

  /**
   * The table of an entity, and the key that its row has.
   *
   * @param call What it is needed for.
   * @param entity What `add`, `get` or `find` returned.
   * @param options Whether its changes are written before.
   * @throws {StateError} When it is not of this session, was removed, or has no
   * row yet.
   */
  rowOf(
    call: string,
    entity: object,
    { isFlushed }: { readonly isFlushed: boolean },
  ): { table: TableInfo; key: unknown[] } {
    const { table, row, state } = this.#entryOf(call, entity);
    if (state === "removed") throw removedError(call, table, entity);
    const key = table.primaryKey.map((column) => {
      const stored = row[column.at] ?? UNKNOWN;
      if (state === "new" || stored === UNKNOWN) {
        throw notFlushedError(table, column.key);
      }
      const isMoved = isFlushed && hasValue(entity, column.key);
      return isMoved ? Reflect.get(entity, column.key) : restored(stored);
    });
    return { table, key };
  }

  /**
   * Whether a row is an entity of this session.
   *
   * @param table The table.
   * @param row An entity, or values that one is to have.
   * @param call What it is needed for.
   * @throws {StateError} When it is one of another session.
   */
  isEntity(table: TableInfo, row: object, call: string): boolean {
    if (this.#map.of(row) !== undefined) return true;
    // Who has forgotten one itself may have another made of its values.
    if (this.#map.knownTable(row) !== undefined) return false;
    // Most have none, and all sessions would be asked for each.
    const hasKey = table.primaryKey.every(({ key }) => hasValue(row, key));
    if (hasKey && this.#map.tableOf(row) !== undefined) {
      throw unknownEntityError(call, row, table);
    }
    return false;
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
    requireKey("track rows of", table);
    return this.#take(givenRow(table, entity), {
      overwrite: false,
      askedAt: this.now,
    });
  }

  /** Calls for rows to be read again, because something else has written. */
  invalidate(tables: ReadonlySet<string> | undefined): void {
    this.#others.note(tables);
    this.#isDisturbed = true;
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
    this.#map.forget(entry);
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
    const entryOf = (entity: object, call: string) =>
      this.#entryOf(call, entity);
    const updates: UpdateValues = new Map();
    for (const entry of this.#map.entries) {
      const change = changeOf(entry, entryOf, updates);
      if (change !== undefined) changes.push(change);
    }
    if (changes.length === 0) return [];
    takeKeys(this.#map, changes);
    checkTargets(this.#map, changes);
    const planned = planFlush(changes, {
      ...options,
      newName: () => `nullpool.k${++this.#publications}`,
    });
    const now = this.#others.advance();
    for (const change of changes) {
      change.entry.writtenAt = now;
      showMade(change);
    }
    this.#sealed.push(...planned);
    return planned;
  }

  /**
   * Notes what was taken out as done. Nobody has to call it: it is done before
   * anything is asked. Called when the statements have left, it costs time in
   * which the server works anyway.
   */
  noteSealed(): void {
    if (this.#sealed.length === 0) return;
    for (const statement of this.#sealed.splice(0)) {
      for (const { entry } of statement.changes) this.#undoLog.note(entry);
      this.#written.seal(statement, this.#epoch);
    }
  }

  /**
   * Takes in the answer to a statement: what the database has made.
   *
   * @param planned The statement.
   * @param result Its answer.
   * @returns What was thrown at it; all else is taken in.
   */
  answer(planned: PlannedStatement, result: Result): Refusal | undefined {
    this.noteSealed();
    return this.#written.answer(planned, result);
  }

  /**
   * Takes back what an answer has brought: its flight has failed behind it.
   *
   * @param planned The statement.
   */
  takeBack(planned: PlannedStatement): void {
    this.#written.takeBack(planned);
  }

  /**
   * Gives up waiting for the answer to a statement: it failed, or was undone.
   *
   * @param planned The statement.
   */
  unanswered(planned: PlannedStatement): void {
    this.noteSealed();
    this.#written.unanswered(planned);
  }

  /**
   * Gives up the answer to a statement that was done: it was lost, or nobody can
   * read it.
   *
   * @param planned The statement.
   */
  unread(planned: PlannedStatement): void {
    this.noteSealed();
    this.#written.unread(planned);
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
    this.#isDisturbed = false;
    // Settings of a transaction end with it.
    for (const entry of this.#map.entries) entry.published = undefined;
  }

  #take(
    { table, kept, values, makeEntity }: ReadRow,
    { overwrite, askedAt }: LoadOptions,
  ): Entity {
    const key = keyText(table.primaryKey, ({ at }) => values[at]);
    const present = key === undefined ? undefined : this.#map.at(table, key);
    const isOld = this.#others.isAfter(table.name, askedAt);
    const readIn = isOld ? NEVER : this.#epoch;
    if (present === undefined) {
      const entry = newEntry(table, makeEntity(), "stored");
      entry.key = key;
      entry.row = kept;
      entry.readIn = readIn;
      this.#map.set(entry);
      this.#log.note(entry);
      return entry.entity;
    }
    const isDue = overwrite || present.readIn !== this.#epoch;
    const isOvertaken = present.writtenAt > askedAt;
    if (!isDue || isOvertaken || present.state === "new") {
      return present.entity;
    }
    // What others have committed stays true after a rollback.
    if (this.#isDisturbed) this.#log.note(present);
    refresh(present, kept, values);
    present.readIn = readIn;
    return present.entity;
  }

  #entryOf(call: string, entity: object): Entry {
    const entry = this.#map.of(entity);
    if (entry !== undefined) return entry;
    checkEntity(entity, call);
    throw unknownEntityError(call, entity, this.#map.tableOf(entity));
  }

  #valueOf({ entity, key }: Ref<unknown>, place: string): unknown {
    const entry = this.#entryOf(`use a ref for ${place}`, entity);
    const column = columnOf(entry.table, key);
    const isKnown = hasValue(entity, column.key) && !isUnsure(entry, column);
    return isKnown ? Reflect.get(entity, column.key) : UNKNOWN;
  }
}
