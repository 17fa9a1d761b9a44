import { checkFunction } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import type {
  AddOptions,
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
import type { HandleDatabase } from "./session_context.ts";
import { type EnqueueableQuery, runnerOf } from "./statement_runner.ts";

/**
 * What a session, and the transaction of a nested block, do with entities.
 *
 * @typeParam Schema The schema that was given to `sessionmaker`.
 */
export interface EntityMethods<Schema extends Record<string, unknown>> {
  /**
   * Makes an entity that the next flush, or the commit, inserts.
   *
   * Columns that may be NULL and are left out are `null` at once; reading one
   * that the database makes throws until the flush, and `ref(entity)` stands
   * for it in other `add`s.
   *
   * @example An order, its key known after the commit
   * ```ts
   * import { createEngine, sessionmaker } from "@nullpool/db";
   * import { pglite } from "@nullpool/db/pglite";
   * import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
   * import { assertEquals } from "@std/assert";
   *
   * const users = pgTable("users", {
   *   id: serial().primaryKey(),
   *   name: text().notNull(),
   *   age: integer(),
   * });
   * await using engine = createEngine(pglite());
   * await using db = sessionmaker(engine)();
   * await db.execute("create table users (id serial primary key, name text not null, age int)");
   * const user = db.add(users, { name: "Ada" });
   * await db.commit();
   * assertEquals(user, { id: 1, name: "Ada", age: null });
   * user.age = 36; // a plain object: the change is found at the next flush
   * await db.commit();
   * ```
   *
   * @example An upsert: a stock that is counted up
   * ```ts
   * import { createEngine, sessionmaker } from "@nullpool/db";
   * import { pglite } from "@nullpool/db/pglite";
   * import { sql } from "drizzle-orm";
   * import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
   * import { assertEquals } from "@std/assert";
   *
   * const stock = pgTable("stock", {
   *   id: serial().primaryKey(),
   *   sku: text().notNull().unique(),
   *   count: integer().notNull(),
   * });
   * await using engine = createEngine(pglite());
   * const Session = sessionmaker(engine);
   * await Session.begin((db) =>
   *   db.execute("create table stock (id serial primary key, sku text unique, count int)")
   * );
   * const arrives = (count: number) =>
   *   Session.begin(async (db) =>
   *     db.add(stock, { sku: "MUG", count }, {
   *       onConflict: {
   *         target: stock.sku,
   *         set: { count: sql`${stock.count} + excluded.count` },
   *       },
   *     })
   *   );
   * assertEquals(await arrives(3), { id: 1, sku: "MUG", count: 3 });
   * assertEquals(await arrives(4), { id: 1, sku: "MUG", count: 7 });
   * ```
   *
   * @typeParam T The table.
   * @param table The table.
   * @param values What `insert(table).values()` takes, and references.
   * @param options What becomes of a row that is there already. Its key, and
   * what else it has, is known when the flush is answered.
   * @returns The entity: a plain object.
   * @throws {StateError} When the table has no primary key, a value is
   * missing, a reference leads nowhere, or another entity has the same key.
   * @throws {TypeError} When a property is no column.
   */
  add<T extends EntityTable>(
    table: T,
    values: InsertValues<T>,
    options?: AddOptions<T>,
  ): EntityOf<T>;
  /**
   * Makes an entity with related rows, along Drizzle's `relations()`.
   *
   * @typeParam T The table.
   * @typeParam Values What is given.
   * @param table The table.
   * @param values Its columns, and related rows by relation: their columns that
   * the relation gives may be left out.
   * @param options What becomes of a row that is there already, but for related
   * ones.
   * @returns The entity; those of the related rows are in it.
   * @throws {StateError} When a value is missing.
   * @throws {TypeError} When a property is no column and no relation.
   */
  add<T extends EntityTable, const Values extends AddValues<Schema, T>>(
    table: T,
    values: Exactly<Values, AddValues<Schema, T>>,
    options?: AddOptions<T>,
  ): EntityOf<T> & NestedEntities<Schema, T, Values>;

  /**
   * Makes many entities; rows that give the same columns are one statement.
   *
   * @typeParam T The table.
   * @param table The table.
   * @param values What `add` takes, for each.
   * @param options What becomes of rows that are there already.
   * @returns The entities, in the same order.
   * @throws {StateError} When `add` would throw for one of them.
   * @throws {TypeError} When a property is no column.
   */
  addAll<T extends EntityTable>(
    table: T,
    values: readonly AddValues<Schema, T>[],
    options?: AddOptions<T>,
  ): EntityOf<T>[];

  /**
   * The entity with a primary key: the same object each time. One that this
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
  get<T extends EntityTable>(
    table: T,
    key: KeyOf<T>,
    options?: GetOptions,
  ): Promise<EntityOf<T> | undefined>;

  /**
   * The entities of the rows that a condition holds for. One that the session
   * has already is the same object, with its unflushed changes.
   *
   * @typeParam T The table.
   * @param table The table.
   * @param where A condition, such as `eq(users.age, 3)`; all rows without.
   * @param options Order, limit, offset and lock.
   * @returns They, in the order asked for.
   * @throws {StateError} When the session cannot run statements now.
   * @throws {TypeError} When the condition or the order is none of Drizzle's.
   * @throws {RangeError} When the limit or the offset is no number of rows.
   */
  find<T extends EntityTable>(
    table: T,
    where?: SqlInput,
    options?: FindOptions,
  ): Promise<EntityOf<T>[]>;

  /**
   * Tracks rows that a select has given: changes to them are written from now
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
  ): EntityOf<T>[];

  /**
   * Copies values onto the entity of their key, which is read if need be; makes
   * one where there is none.
   *
   * @typeParam T The table.
   * @param table The table.
   * @param values Columns; with a version, it has to be that of the row.
   * @returns The entity; the values are left alone.
   * @throws {StaleDataError} When the row has another version.
   * @throws {StateError} When a value is missing in a row that is not there.
   */
  merge<T extends EntityTable>(
    table: T,
    values: T["$inferInsert"],
  ): Promise<EntityOf<T>>;

  /**
   * Reads the row of an entity again: columns that were not changed get the
   * values that it has now. What is pending in its table is flushed before.
   *
   * @param entity An entity that has a row.
   * @param options Whether the row is locked.
   * @throws {StateError} When the entity is not of this session, or removed.
   * @throws {StaleDataError} When the row is not there any more.
   */
  refresh(entity: object, options?: GetOptions): Promise<void>;

  /**
   * Has the next flush delete an entity; one that was not flushed yet is
   * forgotten. (`delete(table)` is Drizzle's.)
   *
   * @param entity An entity of this session.
   * @throws {StateError} When it is not.
   */
  remove(entity: object): void;

  /**
   * Forgets an entity: what was changed in it is not written.
   *
   * @param entity An entity of this session.
   * @throws {StateError} When it is not.
   */
  expunge(entity: object): void;

  /**
   * Gives a query a place among the changes: what was changed before it goes
   * before it, and all of it travels with the next flush.
   *
   * @typeParam T What the query resolves to.
   * @param query A query builder, such as an upsert, or SQL.
   * @returns Its result, when it is flushed; nobody has to wait for it, as the
   * flush fails where it does.
   * @throws {StateError} At the call, when it can have no place there: the
   * session runs no statements now, or not this one. What was changed before
   * is kept.
   * @throws {ConnectionError} At the call, when a signal or a timeout has fired.
   * @throws {TypeError} At the call, when it is no query.
   */
  enqueue<T>(query: EnqueueableQuery<T>): Promise<T>;

  /**
   * Sends what is pending, in one flight; without anything pending nothing is
   * sent. Entities have what the database made when it is done.
   *
   * @throws {StateError} When a statement is running, changes depend on each
   * other in a circle, or an insert does not bring its row back.
   * @throws {TypeError} When a value is none of its column's type.
   * @throws {StaleDataError} When a row is not as it was loaded.
   * @throws {DatabaseError} When the server refused; call `rollback()` then.
   */
  flush(): Promise<void>;

  /**
   * Runs a function whose queries do not flush what is pending.
   *
   * @typeParam T What it returns.
   * @param fn What to run.
   * @returns What it returned.
   */
  noAutoflush<T>(fn: () => Promise<T>): Promise<T>;
}

/** Any of the methods, as it is called. */
type Method = (this: HandleDatabase, ...args: never[]) => unknown;

/** Thousands may be added one by one. */
const NO_OPTIONS: AddOptions<EntityTable> = {};

const ADD_OPTIONS: OptionNames<AddOptions<EntityTable>> = { onConflict: true };

const GET_OPTIONS: OptionNames<GetOptions> = { lock: true };

const FIND_OPTIONS: OptionNames<FindOptions> = {
  ...GET_OPTIONS,
  orderBy: true,
  limit: true,
  offset: true,
};

/** Written once for both classes, which extend different ones of Drizzle's. */
export const ENTITY_METHODS = {
  add(
    table: EntityTable,
    values: AnyValues,
    options: AddOptions<EntityTable> = NO_OPTIONS,
  ) {
    checkOptionNames("add()", options, ADD_OPTIONS);
    return runnerOf(this).entities.add(table, values, options);
  },
  addAll(
    table: EntityTable,
    values: readonly AnyValues[],
    options: AddOptions<EntityTable> = NO_OPTIONS,
  ) {
    checkOptionNames("addAll()", options, ADD_OPTIONS);
    return runnerOf(this).entities.addAll(table, values, options);
  },
  async get(table: EntityTable, key: unknown, options: GetOptions = {}) {
    checkOptionNames("get()", options, GET_OPTIONS);
    return await runnerOf(this).entities.get(table, key, options);
  },
  async find(
    table: EntityTable,
    where?: SqlInput,
    options: FindOptions = {},
  ) {
    checkOptionNames("find()", options, FIND_OPTIONS);
    return await runnerOf(this).entities.find(table, where, options);
  },
  track(table: EntityTable, rows: readonly Record<string, unknown>[]) {
    return runnerOf(this).entities.track(table, rows);
  },
  async merge(table: EntityTable, values: AnyValues) {
    return await runnerOf(this).entities.merge(table, values);
  },
  async refresh(entity: object, options: GetOptions = {}) {
    checkOptionNames("refresh()", options, GET_OPTIONS);
    await runnerOf(this).entities.refresh(entity, options.lock);
  },
  remove(entity: object) {
    runnerOf(this).entities.remove(entity);
  },
  expunge(entity: object) {
    runnerOf(this).entities.expunge(entity);
  },
  enqueue(query: EnqueueableQuery<unknown>) {
    return runnerOf(this).enqueue(query);
  },
  async flush() {
    await runnerOf(this).entities.flush();
  },
  async noAutoflush(fn: () => Promise<unknown>) {
    checkFunction(fn, "run noAutoflush()");
    return await runnerOf(this).handle.core.withoutAutoflush(fn);
  },
} satisfies
  & Record<keyof EntityMethods<Record<string, never>>, Method>
  & ThisType<HandleDatabase>;
