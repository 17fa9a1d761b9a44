import { entityKind, type ExtractTablesWithRelations } from "drizzle-orm";
import { PgTransaction } from "drizzle-orm/pg-core";
import { within, type WithinOptions } from "../session/within.ts";
import type { TransactionHandle } from "../session/transaction_handle.ts";
import { defineStructure } from "./_define_structure.ts";
import { type EntityMethods, installEntityMethods } from "./entity_methods.ts";
import type { SessionShape } from "./session_shape.ts";
import type {
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

  static {
    installEntityMethods(this.prototype);
  }

  readonly #runner: StatementRunner;

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
   * Waits for statements no longer than they may take, as `Session.within`
   * does.
   *
   * @typeParam T What the statements give.
   * @param work A query, or a promise of what several give.
   * @param options What ends the wait.
   * @returns What the work gives.
   * @throws {ConnectionError} `STATEMENT_TIMEOUT` or `ABORTED`.
   * @throws {StateError} When this one has ended, or a block is open inside.
   * @throws {RangeError} When the timeout is no number of milliseconds.
   * @throws {TypeError} When the signal is none.
   */
  async within<T>(work: PromiseLike<T>, options: WithinOptions): Promise<T> {
    const { handle, handle: { core } } = this.#runner;
    core.checkUse(handle);
    return await within(work, options, (error) => core.interrupt(error));
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

/**
 * What a transaction does with entities: what its session does, inside the
 * block.
 *
 * @typeParam Schema The schema that was given to `sessionmaker`.
 */
export interface SessionTransaction<
  Schema extends Record<string, unknown> = Record<string, never>,
> extends EntityMethods<Schema> {}
