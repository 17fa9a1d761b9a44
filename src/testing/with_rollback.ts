import {
  beginStatement,
  settingsStatement,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import { command } from "../driver/statement.ts";
import type { Session } from "../drizzle/session.ts";
import type { Sessionmaker } from "../drizzle/sessionmaker.ts";
import { createEngine } from "../engine/create_engine.ts";
import { savepointDriver } from "./_savepoint_driver.ts";

/** How {@linkcode withRollback} begins. */
export interface WithRollbackOptions {
  /**
   * How the outer transaction runs; what sessions inside ask for is not sent.
   *
   * @default {the engine's}
   */
  readonly transaction?: TransactionOptions;
}

/**
 * Runs a test whose database work is undone at its end, however often the
 * code under test commits and rolls back: each of its transactions is a
 * savepoint of one outer transaction, which is rolled back.
 *
 * There is one connection, so sessions inside take turns; a session that is
 * still in a transaction makes the next one wait. Deferred constraints are not
 * checked, because nothing is ever committed. Tests that run side by side have
 * a connection each.
 *
 * As SQLAlchemy's `join_transaction_mode="create_savepoint"`.
 *
 * @example A test that leaves nothing behind
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { withRollback } from "@nullpool/db/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using engine = createEngine(pglite());
 * const Session = sessionmaker(engine);
 * await Session.begin((db) => db.execute("create table notes (body text)"));
 *
 * await withRollback(Session, async (db, Session) => {
 *   await Session.begin((own) => own.execute("insert into notes values ('a')"));
 *   assertEquals((await db.execute("select * from notes")).rows, [{ body: "a" }]);
 * });
 *
 * const { rows } = await Session.begin((db) => db.execute("select * from notes"));
 * assertEquals(rows, []);
 * ```
 *
 * @typeParam T What the test returns.
 * @typeParam Schema The schema of the sessions.
 * @param Session The application's session factory.
 * @param test Given a session and a factory, both inside the transaction.
 * @param options How the outer transaction runs.
 * @returns What the test returned.
 * @throws {ConnectionError} When no connection could be opened.
 */
export async function withRollback<T, Schema extends Record<string, unknown>>(
  Session: Sessionmaker<Schema>,
  test: (db: Session<Schema>, Session: Sessionmaker<Schema>) => Promise<T>,
  options: WithRollbackOptions = {},
): Promise<T> {
  const { engine } = Session;
  const outer = await engine.connect();
  try {
    const { failure } = await outer.send([
      beginStatement({ ...engine.transaction, ...options.transaction }),
      settingsStatement(engine.settings),
    ]);
    if (failure !== undefined) throw failure;
    const inside = Session.on(createEngine(
      savepointDriver(outer, () => engine.driver.describe()),
      { mode: engine.mode },
    ));
    const session = inside();
    try {
      return await test(session, inside);
    } finally {
      await session.close();
      await inside.engine.dispose();
    }
  } finally {
    const { failure } = outer.usable
      ? await outer.send([command("rollback")])
      : { failure: "lost" };
    await outer.release({ discard: failure !== undefined });
  }
}
