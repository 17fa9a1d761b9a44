import { entityKind, type ExtractTablesWithRelations } from "drizzle-orm";
import { PgTransaction } from "drizzle-orm/pg-core";
import type { TransactionHandle } from "../session/transaction_handle.ts";
import type { Entity } from "../unit_of_work/entry.ts";
import { defineStructure } from "./_define_structure.ts";
import { Entities } from "./entities.ts";
import type {
  AddValues,
  EntityOf,
  EntityTable,
  Exactly,
  FindOptions,
  GetOptions,
  InsertValues,
  KeyOf,
  NestedEntities,
  SqlInput,
} from "./entity_types.ts";
import type { AnyValues } from "./nested_values.ts";
import type { SessionShape } from "./session_shape.ts";
import type {
  EnqueueableQuery,
  SessionQueryResultHKT,
  StatementRunner,
  StreamableQuery,
} from "./statement_runner.ts";
import type { StreamOptions } from "./stream_rows.ts";
import {
  type TransactionConnection,
  transactionConnection,
} from "./transaction_connection.ts";

/**
 * What `transaction(fn)` hands out: a Drizzle transaction whose statements run
 * inside the block, and which is dead when the block has ended.
 *
 * @example A block that undoes itself
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const driver = recordingDriver();
 * await sessionmaker(createEngine(driver)).begin(async (db) => {
 *   await assertRejects(() =>
 *     db.transaction(async (tx) => {
 *       await tx.execute("select 1");
 *       tx.rollback();
 *     })
 *   );
 * });
 * assertEquals(driver.log.slice(2), [
 *   "rollback to savepoint nullpool_1; commit",
 *   "close",
 * ]);
 * ```
 *
 * @typeParam Schema The schema that was given to `sessionmaker`.
 */
export class SessionTransaction<
  Schema extends Record<string, unknown> = Record<string, never>,
> extends PgTransaction<
  SessionQueryResultHKT,
  Schema,
  ExtractTablesWithRelations<Schema>
> {
  /** Drizzle's name for the class; `is()` compares it. */
  static override readonly [entityKind]: string = "NullpoolTransaction";

  readonly #runner: StatementRunner;
  readonly #entities: Entities;

  /**
   * Creates a handle; `transaction(fn)` and `beginNested(fn)` do.
   *
   * @param shape What all sessions of the sessionmaker have in common.
   * @param runner Issues statements inside the block.
   */
  constructor(shape: SessionShape, runner: StatementRunner) {
    super(shape.dialect, runner, undefined);
    defineStructure(this, shape, runner);
    this.#runner = runner;
    this.#entities = new Entities(shape, () => runner.handle);
  }

  /**
   * Runs a block inside a savepoint of this one.
   *
   * @param transaction Given the handle of the inner block.
   * @returns What the block returned.
   * @throws {StateError} When a block is open inside this one, or this one has
   * ended.
   */
  override transaction<T>(
    transaction: (tx: SessionTransaction<Schema>) => Promise<T>,
  ): Promise<T> {
    // The runner makes nothing but transactions of this schema.
    return this.#runner.transaction((tx) =>
      transaction(tx as SessionTransaction<Schema>)
    );
  }

  /**
   * Opens a savepoint inside this one; SAVEPOINT is sent before the first
   * statement inside.
   *
   * @returns Its handle.
   * @throws {StateError} When this one has ended, or a block is open inside.
   */
  beginNested(): Promise<TransactionHandle>;
  /**
   * Runs a block inside a savepoint, kept at its end and rolled back when the
   * block throws.
   *
   * @typeParam T What the block returns.
   * @param block Given the handle to use meanwhile.
   * @returns What the block returned.
   * @throws {StateError} When this one has ended, or a block is open inside.
   */
  beginNested<T>(
    block: (tx: SessionTransaction<Schema>) => Promise<T>,
  ): Promise<T>;
  beginNested<T>(
    block?: (tx: SessionTransaction<Schema>) => Promise<T>,
  ): Promise<T | TransactionHandle> {
    // The runner makes nothing but transactions of this schema.
    return this.#runner.nested(
      block && ((tx) => block(tx as SessionTransaction<Schema>)),
    );
  }

  /**
   * Makes an entity that the next flush, or the commit, inserts, as `Session.add` does.
   *
   * Columns that may be NULL and are left out are `null` at once; reading one
   * that the database makes throws until the flush, and `ref(entity)` stands
   * for it in other `add`s.
   *
   * @typeParam T The table.
   * @param table The table.
   * @param values What `insert(table).values()` takes, and references.
   * @returns The entity: a plain object.
   * @throws {StateError} When the table has no primary key, a value is
   * missing, a reference leads nowhere, or another entity has the same key.
   * @throws {TypeError} When a property is no column.
   */
  add<T extends EntityTable>(table: T, values: InsertValues<T>): EntityOf<T>;
  /**
   * Makes an entity with related rows, along Drizzle's `relations()`.
   *
   * @typeParam T The table.
   * @typeParam Values What is given.
   * @param table The table.
   * @param values Its columns, and related rows by relation: their columns that
   * the relation gives may be left out.
   * @returns The entity; those of the related rows are in it.
   * @throws {StateError} When a value is missing.
   * @throws {TypeError} When a property is no column and no relation.
   */
  add<T extends EntityTable, const Values extends AddValues<Schema, T>>(
    table: T,
    values: Exactly<Values, AddValues<Schema, T>>,
  ): EntityOf<T> & NestedEntities<Schema, T, Values>;
  add(table: EntityTable, values: AnyValues): Entity {
    return this.#entities.add(table, values);
  }

  /**
   * Makes many entities, as `Session.addAll` does; rows that give the same columns are one statement.
   *
   * @typeParam T The table.
   * @param table The table.
   * @param values What `add` takes, for each.
   * @returns The entities, in the same order.
   * @throws {StateError} When `add` would throw for one of them.
   * @throws {TypeError} When a property is no column.
   */
  addAll<T extends EntityTable>(
    table: T,
    values: readonly AddValues<Schema, T>[],
  ): EntityOf<T>[] {
    return this.#entities.addAll(table, values);
  }

  /**
   * The entity with a primary key, as `Session.get` does: the same object each time. One that this
   * transaction has read already is not asked for again.
   *
   * @typeParam T The table.
   * @param table The table.
   * @param key The value of the key column; an object of columns where the key
   * is made of several.
   * @param options Whether the row is locked.
   * @returns It, or `undefined` where there is no such row.
   * @throws {TypeError} When a part of the key is missing, or NaN.
   * @throws {StateError} When the table has no primary key.
   */
  async get<T extends EntityTable>(
    table: T,
    key: KeyOf<T>,
    options?: GetOptions,
  ): Promise<EntityOf<T> | undefined> {
    return await this.#entities.get(table, key, options);
  }

  /**
   * The entities of the rows that a condition holds for, as `Session.find` does. One that the session
   * has already is the same object, with its unflushed changes.
   *
   * @typeParam T The table.
   * @param table The table.
   * @param where A condition, such as `eq(users.age, 3)`; all rows without.
   * @param options Order, limit, offset and lock.
   * @returns They, in the order asked for.
   * @throws {StateError} When the session cannot run statements now.
   */
  async find<T extends EntityTable>(
    table: T,
    where?: SqlInput,
    options?: FindOptions,
  ): Promise<EntityOf<T>[]> {
    return await this.#entities.find(table, where, options);
  }

  /**
   * Tracks rows that a select has given, as `Session.track` does: changes to them are written from now
   * on.
   *
   * @typeParam T The table.
   * @param table The table.
   * @param rows Rows with all its columns.
   * @returns The entities: the rows themselves, or what the session had for
   * them before.
   * @throws {StateError} When the table has no primary key.
   * @throws {TypeError} When a row lacks its key.
   */
  track<T extends EntityTable>(
    table: T,
    rows: readonly EntityOf<T>[],
  ): EntityOf<T>[] {
    return this.#entities.track(table, rows);
  }

  /**
   * Copies values onto the entity of their key, which is read if need be; makes
   * one where there is none, as `Session.merge` does.
   *
   * @typeParam T The table.
   * @param table The table.
   * @param values Columns; with a version, it has to be that of the row.
   * @returns The entity; the values are left alone.
   * @throws {StaleDataError} When the row has another version.
   * @throws {StateError} When a value is missing in a row that is not there.
   */
  async merge<T extends EntityTable>(
    table: T,
    values: T["$inferInsert"],
  ): Promise<EntityOf<T>> {
    return await this.#entities.merge(table, values);
  }

  /**
   * Reads the row of an entity again, as `Session.refresh` does: columns that were not changed get the
   * values that it has now. What is pending in its table is flushed before.
   *
   * @param entity An entity that has a row.
   * @param options Whether the row is locked.
   * @throws {StateError} When the entity is not of this session, or removed.
   * @throws {StaleDataError} When the row is not there any more.
   */
  refresh(entity: object, options: GetOptions = {}): Promise<void> {
    return this.#entities.refresh(entity, options.lock);
  }

  /**
   * Has the next flush delete an entity, as `Session.remove` does; one that was not flushed yet is
   * forgotten. (`delete(table)` is Drizzle's.)
   *
   * @param entity An entity of this session.
   * @throws {StateError} When it is not.
   */
  remove(entity: object): void {
    this.#entities.remove(entity);
  }

  /**
   * Forgets an entity, as `Session.expunge` does: what was changed in it is not written.
   *
   * @param entity An entity of this session.
   * @throws {StateError} When it is not.
   */
  expunge(entity: object): void {
    this.#entities.expunge(entity);
  }

  /**
   * Gives a query a place among the changes, as `Session.enqueue` does: what was changed before it goes
   * before it, and all of it travels with the next flush.
   *
   * @typeParam T What the query resolves to.
   * @param query A query builder, such as an upsert, or SQL.
   * @returns Its result, when it is flushed; nobody has to wait for it.
   * @throws {StateError} When the session cannot run statements now.
   */
  enqueue<T>(query: EnqueueableQuery<T>): Promise<T> {
    const answer = this.#runner.enqueue(query);
    // The flush fails with it; who does not wait for it hears of that.
    answer.catch(() => {});
    // The query's own type says what it resolves to.
    return answer as Promise<T>;
  }

  /**
   * Sends what is pending, in one flight, as `Session.flush` does; without anything pending nothing is
   * sent. Entities have what the database made when it is done.
   *
   * @throws {StateError} When a statement is running, or changes depend on each
   * other in a circle.
   * @throws {StaleDataError} When a row is not as it was loaded.
   * @throws {DatabaseError} When the server refused; call `rollback()` then.
   */
  flush(): Promise<void> {
    return this.#entities.flush();
  }

  /**
   * Runs a function whose queries do not flush what is pending, as `Session.noAutoflush` does.
   *
   * @typeParam T What it returns.
   * @param fn What to run.
   * @returns What it returned.
   */
  noAutoflush<T>(fn: () => Promise<T>): Promise<T> {
    return this.#runner.handle.core.withoutAutoflush(fn);
  }

  /**
   * Reads a query row by row, as `Session.stream` does.
   *
   * @typeParam Row What the query gives for a row.
   * @param query A select builder, a relational query, or SQL.
   * @param options How it reads.
   * @returns The rows.
   * @throws {TypeError} When the query is none of the three.
   * @throws {RangeError} When `batchSize` is not a whole number above zero.
   */
  stream<Row>(
    query: StreamableQuery<Row>,
    options: StreamOptions = {},
  ): AsyncGenerator<Row, void, void> {
    // The query's own type says what its rows are.
    return this.#runner.stream(query, options) as AsyncGenerator<Row>;
  }

  /**
   * The connection of the transaction, as `Session.connection` gives it.
   *
   * @returns It; when the transaction has ended, so has this.
   * @throws {StateError} When this one has ended, or a block is open inside.
   */
  async connection(): Promise<TransactionConnection> {
    return await Promise.resolve(transactionConnection(this.#runner.handle));
  }

  /**
   * Registers what is to run after the commit, as `Session.afterCommit` does.
   *
   * @param hook What to run.
   * @throws {StateError} When the session cannot run statements now.
   */
  afterCommit(hook: () => unknown): void {
    this.#runner.handle.core.hooks.afterCommit(hook);
  }

  /**
   * Registers what is to run when this work is undone, as
   * `Session.afterRollback` does.
   *
   * @param hook What to run.
   * @throws {StateError} When the session cannot run statements now.
   */
  afterRollback(hook: () => unknown): void {
    this.#runner.handle.core.hooks.afterRollback(hook);
  }
}
