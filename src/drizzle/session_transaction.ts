import { entityKind, type ExtractTablesWithRelations } from "drizzle-orm";
import { PgTransaction } from "drizzle-orm/pg-core";
import { defineStructure } from "./_define_structure.ts";
import type { SessionShape } from "./session_shape.ts";
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

  /**
   * Creates a handle; `transaction(fn)` and `beginNested(fn)` do.
   *
   * @param shape What all sessions of the sessionmaker have in common.
   * @param runner Issues statements inside the block.
   */
  constructor(shape: SessionShape, runner: StatementRunner) {
    super(shape.dialect, runner, undefined);
    defineStructure(this, shape, runner);
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
    transaction: (
      tx: PgTransaction<
        SessionQueryResultHKT,
        Schema,
        ExtractTablesWithRelations<Schema>
      >,
    ) => Promise<T>,
  ): Promise<T> {
    return this._.session.transaction(transaction);
  }
}
