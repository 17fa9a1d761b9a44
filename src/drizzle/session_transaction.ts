import { entityKind, type ExtractTablesWithRelations } from "drizzle-orm";
import { PgTransaction } from "drizzle-orm/pg-core";
import type { TransactionHandle } from "../session/transaction_handle.ts";
import { defineStructure } from "./_define_structure.ts";
import { ENTITY_METHODS, type EntityMethods } from "./entity_methods.ts";
import { installMethods } from "./install_methods.ts";
import type { SessionShape } from "./session_shape.ts";
import {
  STATEMENT_METHODS,
  type StatementMethods,
} from "./statement_methods.ts";
import type {
  SessionQueryResultHKT,
  StatementRunner,
} from "./statement_runner.ts";

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
    installMethods(this.prototype, ENTITY_METHODS);
    installMethods(this.prototype, STATEMENT_METHODS);
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
}

/**
 * What a transaction does with statements and entities: what its session does,
 * inside the block.
 *
 * @typeParam Schema The schema that was given to `sessionmaker`.
 */
export interface SessionTransaction<
  Schema extends Record<string, unknown> = Record<string, never>,
> extends StatementMethods, EntityMethods<Schema> {}
