import { checkFunction } from "../errors/check_argument.ts";
import { within, type WithinOptions } from "../session/within.ts";
import type { HandleDatabase } from "./session_context.ts";
import { runnerOf, type StreamableQuery } from "./statement_runner.ts";
import type { StreamOptions } from "./stream_rows.ts";
import {
  type TransactionConnection,
  transactionConnection,
} from "./transaction_connection.ts";

/**
 * What a session, and the transaction of a nested block, do with statements
 * besides what Drizzle's databases do.
 */
export interface StatementMethods {
  /**
   * Waits for statements of this session no longer than they may take, or until
   * a signal fires. The transaction fails then, and what runs is cancelled on
   * the server; a COMMIT that has left is waited for, and counts.
   *
   * @example A search that may take half a second
   * ```ts
   * import { createEngine, sessionmaker } from "@nullpool/db";
   * import { pglite } from "@nullpool/db/pglite";
   * import { assertEquals } from "@std/assert";
   *
   * await using engine = createEngine(pglite());
   * await using db = sessionmaker(engine)();
   * const search = db.execute("select 1 as found");
   * const { rows } = await db.within(search, { timeout: 500 });
   * assertEquals(rows, [{ found: 1 }]);
   * ```
   *
   * @typeParam T What the statements give.
   * @param work A query, or a promise of what several give.
   * @param options What ends the wait.
   * @returns What the work gives.
   * @throws {ConnectionError} `STATEMENT_TIMEOUT` or `ABORTED`.
   * @throws {StateError} When the block of this handle has ended.
   * @throws {RangeError} When the timeout is no number of milliseconds.
   * @throws {TypeError} When the signal is none, or there is nothing to wait
   * for.
   */
  within<T>(work: PromiseLike<T>, options: WithinOptions): Promise<T>;

  /**
   * Reads a query row by row, a batch per round trip, through a cursor in the
   * session's transaction. It is closed when the loop ends, breaks or throws;
   * a commit or rollback inside the loop ends it as well.
   *
   * @example A report that never holds all rows
   * ```ts
   * import { createEngine, sessionmaker } from "@nullpool/db";
   * import { pglite } from "@nullpool/db/pglite";
   * import { sql } from "drizzle-orm";
   * import { assertEquals } from "@std/assert";
   *
   * await using engine = createEngine(pglite());
   * await using db = sessionmaker(engine)();
   * let sum = 0;
   * const numbers = sql<{ n: number }>`select n from generate_series(1, 1000) n`;
   * for await (const { n } of db.stream(numbers, { batchSize: 250 })) sum += n;
   * assertEquals(sum, 500_500);
   * ```
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
    options?: StreamOptions,
  ): AsyncGenerator<Row, void, void>;

  /**
   * The connection of the session's transaction, for what Drizzle cannot
   * express; begins a transaction if there is none, and sends nothing. It
   * belongs to the session, which alone gives it back.
   *
   * @example Columns of the same name
   * ```ts
   * import { createEngine, sessionmaker } from "@nullpool/db";
   * import { pglite } from "@nullpool/db/pglite";
   * import { assertEquals } from "@std/assert";
   *
   * await using engine = createEngine(pglite());
   * await using db = sessionmaker(engine)();
   * const connection = await db.connection();
   * const { rows } = await connection.query<number[]>(
   *   "select $1::int as n, $2::int as n",
   *   [1, 2],
   *   { rowMode: "array" },
   * );
   * assertEquals(rows, [[1, 2]]);
   * ```
   *
   * @returns It; when the transaction has ended, so has this.
   * @throws {StateError} When the session cannot run statements now.
   */
  connection(): Promise<TransactionConnection>;

  /**
   * Registers what is to run after the commit, when the connection is given
   * back: it may use a session of its own. A rollback drops it, also that of
   * a savepoint that is open now.
   *
   * @param hook Runs, and is waited for by `commit()`; what it throws is told
   * as a `listenerError` event.
   * @throws {StateError} When the session cannot run statements now.
   */
  afterCommit(hook: () => unknown): void;

  /**
   * Registers what is to run when the work so far is undone, with the
   * transaction or with the savepoint that is open now: a file to delete, a
   * counter to set back. It runs when the transaction has ended and the
   * connection is given back; not where the answer to COMMIT was lost
   * (`CommitOutcomeError`), because the work may be saved.
   *
   * @param hook Runs, and is waited for; what it throws is told as a
   * `listenerError` event.
   * @throws {StateError} When the session cannot run statements now.
   */
  afterRollback(hook: () => unknown): void;
}

/** Any of the methods, as it is called. */
type Method = (this: HandleDatabase, ...args: never[]) => unknown;

/** Written once for both classes, which extend different ones of Drizzle's. */
export const STATEMENT_METHODS = {
  async within<T>(work: PromiseLike<T>, options: WithinOptions) {
    const { handle, handle: { core } } = runnerOf(this);
    core.checkAlive(handle);
    return await within(work, options, (error) => core.interrupt(error));
  },
  stream<Row>(query: StreamableQuery<Row>, options: StreamOptions = {}) {
    // The query's own type says what its rows are.
    return runnerOf(this).stream(query, options) as AsyncGenerator<Row>;
  },
  async connection() {
    return await Promise.resolve(transactionConnection(runnerOf(this).handle));
  },
  afterCommit(hook: () => unknown) {
    checkFunction(hook, "register afterCommit()");
    runnerOf(this).handle.core.hooks.afterCommit(hook);
  },
  afterRollback(hook: () => unknown) {
    checkFunction(hook, "register afterRollback()");
    runnerOf(this).handle.core.hooks.afterRollback(hook);
  },
} satisfies
  & Record<keyof StatementMethods, Method>
  & ThisType<HandleDatabase>;
