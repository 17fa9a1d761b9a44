import type { Driver } from "../driver/driver.ts";
import { command } from "../driver/statement.ts";
import {
  beginStatement,
  isAutocommit,
  settingsStatement,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { Session } from "../drizzle/session.ts";
import type { Sessionmaker } from "../drizzle/sessionmaker.ts";
import { createEngine } from "../engine/create_engine.ts";
import type { EngineConnection } from "../engine/engine_connection.ts";
import type { Engine } from "../engine/engine.ts";
import { checkArgument, checkFunction } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import type { ScopedSession } from "../scoped/scoped_session.ts";
import { NestingPool } from "./_nesting_pool.ts";
import type { OuterTransaction } from "./_savepoint_connection.ts";

/** How {@linkcode withRollback} begins. */
export interface WithRollbackOptions {
  /**
   * How the outer transaction runs; what sessions inside ask for is not sent.
   *
   * @default {the engine's}
   */
  readonly transaction?: TransactionOptions;
}

const ROLLBACK_OPTIONS: OptionNames<WithRollbackOptions> = {
  transaction: true,
};

/**
 * What the sessions of a test come from: the application's session factory, or
 * its scoped session, whose `db` and middleware are inside the test then.
 *
 * @typeParam Schema The schema of the sessions.
 */
export type RollbackSource<Schema extends Record<string, unknown>> =
  | Sessionmaker<Schema>
  | ScopedSession<Schema>;

/**
 * A test whose database work is undone.
 *
 * @typeParam T What it returns.
 * @typeParam Schema The schema of the sessions.
 */
export type RollbackTest<T, Schema extends Record<string, unknown>> = (
  db: Session<Schema>,
  Session: Sessionmaker<Schema>,
) => Promise<T>;

/**
 * Runs a test whose database work is undone at its end, however often the
 * code under test commits and rolls back: each of its transactions is a
 * savepoint of one outer transaction, which is rolled back.
 *
 * Given a scoped session, everything that uses it is inside: `scope.db` in
 * another module, the requests of an app behind `dbSession(scope)`, and the
 * session factory that the scope was made with, as `mapTasks(Session, ..)`
 * uses it. The test's own session may be inside a transaction meanwhile. Other
 * sessions share the one connection and take turns. Deferred constraints are
 * not checked, because nothing is ever committed; sequences count on. Tests that
 * run side by side have a connection each.
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
 * @param source The application's session factory, or its scoped session.
 * @param test Given a session and a factory, both inside the transaction.
 * @param options How the outer transaction runs.
 * @returns What the test returned.
 * @throws {ConnectionError} When no connection could be opened.
 * @throws {TypeError} When there is no sessionmaker, or no test.
 * @throws {PoolError} When the test has left a session of its own inside a
 * transaction.
 */
export async function withRollback<T, Schema extends Record<string, unknown>>(
  source: RollbackSource<Schema>,
  test: RollbackTest<T, Schema>,
  options: WithRollbackOptions = {},
): Promise<T> {
  checkTest("withRollback()", source, test);
  checkOptionNames("withRollback()", options, ROLLBACK_OPTIONS);
  const Session = isScope(source) ? source.Session : source;
  const { engine } = Session;
  const outer = await beginOuter(engine, options);
  const pool = new NestingPool(outer);
  const inside = Session.on(createEngine(connectionsOf(engine.driver), {
    pool: () => pool,
    mode: engine.mode,
    transaction: engine.transaction,
  }));
  try {
    if (!isScope(source)) return await run(pool, inside(), inside, test);
    return await source.using(inside, async () => {
      const session = source.open();
      return await source.enter(
        session,
        () => run(pool, session, inside, test),
      );
    });
  } finally {
    await endOuter(outer.connection);
  }
}

/**
 * Makes a test function for `Deno.test`, `node:test` and vitest, whose
 * database work is undone as by {@linkcode withRollback}.
 *
 * In vitest's `test.extend` use that one itself, and with a session factory
 * only: `db: ({}, use) => withRollback(Session, use)`. vitest runs the test in
 * another async context than its fixtures, so a scoped session would not be
 * inside there, and what the application commits would stay.
 *
 * @example A test of its own
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { rolledBack } from "@nullpool/db/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const Session = sessionmaker(createEngine(pglite()));
 *
 * Deno.test("one is one", rolledBack(Session, async (db) => {
 *   const { rows } = await db.execute("select 1 as one");
 *   assertEquals(rows, [{ one: 1 }]);
 * }));
 * ```
 *
 * @typeParam Schema The schema of the sessions.
 * @param source The application's session factory, or its scoped session.
 * @param test Given a session and a factory, both inside the transaction.
 * @param options How the outer transaction runs.
 * @returns The function for the test runner.
 * @throws {TypeError} When there is no sessionmaker, or no test.
 */
export function rolledBack<Schema extends Record<string, unknown>>(
  source: RollbackSource<Schema>,
  test: RollbackTest<void, Schema>,
  options: WithRollbackOptions = {},
): () => Promise<void> {
  checkTest("rolledBack()", source, test);
  return () => withRollback(source, test, options);
}

function checkTest<Schema extends Record<string, unknown>>(
  of: string,
  source: RollbackSource<Schema>,
  test: unknown,
): void {
  checkArgument(
    typeof source === "function" || isScope(source),
    `use ${of}`,
    "a sessionmaker or a scoped session",
  );
  checkFunction(test, `use ${of}`);
}

/** What needs no connection would not be in its transaction. */
function connectionsOf(driver: Driver): Driver {
  return {
    name: driver.name,
    maxConnections: driver.maxConnections,
    connect: (options) => driver.connect(options),
    describe: () => driver.describe(),
    address: () => driver.address?.(),
  };
}

function isScope<Schema extends Record<string, unknown>>(
  source: RollbackSource<Schema>,
): source is ScopedSession<Schema> {
  return "using" in Object(source);
}

async function beginOuter(
  engine: Engine,
  options: WithRollbackOptions,
): Promise<OuterTransaction> {
  const connection = await engine.connect();
  const transaction = { ...engine.transaction, ...options.transaction };
  // Even of an engine without transactions the test is one.
  const begin = beginStatement(
    isAutocommit(transaction)
      ? { ...transaction, isolationLevel: undefined }
      : transaction,
  );
  const hasSettings = Object.keys(engine.settings).length > 0;
  const { failure } = await connection.send(
    hasSettings ? [begin, settingsStatement(engine.settings)] : [begin],
  );
  if (failure !== undefined) {
    await connection.release({ discard: true });
    throw failure;
  }
  let count = 0;
  return { connection, newName: () => `nullpool_test_${++count}` };
}

async function endOuter(connection: EngineConnection): Promise<void> {
  const { failure } = connection.usable
    ? await connection.send([command("rollback")])
    : { failure: "lost" };
  await connection.release({ discard: failure !== undefined });
}

async function run<T, Schema extends Record<string, unknown>>(
  pool: NestingPool,
  session: Session<Schema>,
  inside: Sessionmaker<Schema>,
  test: RollbackTest<T, Schema>,
): Promise<T> {
  pool.setBase(session.holder);
  async function end(): Promise<void> {
    try {
      await pool.end(inside.engine.idle());
    } finally {
      await session.close();
      await inside.engine.idle();
    }
  }
  let result: T;
  try {
    result = await test(session, inside);
  } catch (error) {
    // What failed first is what the test is told.
    await end().catch(() => {});
    throw error;
  }
  await end();
  return result;
}
