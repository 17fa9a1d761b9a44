import { entityKind, type ExtractTablesWithRelations } from "drizzle-orm";
import { PgDatabase } from "drizzle-orm/pg-core";
import {
  checkSignal,
  checkTransactionOptions,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { PoolHolder } from "../pool/pool_holder.ts";
import { type IdentityRules, identitySettings } from "../session/claims.ts";
import { SessionCore } from "../session/session_core.ts";
import type { SessionState } from "../session/session_state.ts";
import type { SessionStats } from "../session/session_stats.ts";
import { within, type WithinOptions } from "../session/within.ts";
import type { TransactionHandle } from "../session/transaction_handle.ts";
import type { RollbackOptions } from "../session/transaction.ts";
import { defineStructure } from "./_define_structure.ts";
import { type EntityMethods, installEntityMethods } from "./entity_methods.ts";
import { hearFlush } from "./hear_flush.ts";
import { runnerFor } from "./runner_for.ts";
import { coreHooks, type SessionHooks } from "./session_hooks.ts";
import type { SessionIdentity, SessionOptions } from "./session_options.ts";
import type { SessionShape } from "./session_shape.ts";
import type { SessionTransaction } from "./session_transaction.ts";
import type {
  BlockOptions,
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
 * What a session is made of; a sessionmaker prepares it once.
 *
 * @typeParam Schema The schema of the sessions.
 */
export interface SessionParts<
  Schema extends Record<string, unknown> = Record<string, never>,
> {
  /**
   * Lends connections, for every statement: SQLAlchemy's choice among several
   * (`get_bind`) is left out, because a transaction is on one server. Who reads
   * from a replica makes sessions on its engine, `Session.on(replica)`.
   */
  readonly engine: Engine;
  /** What all sessions of the sessionmaker have in common. */
  readonly shape: SessionShape;
  /** How its transactions run that say nothing else. */
  readonly transaction: TransactionOptions;
  /** What runs around its transactions. */
  readonly hooks: SessionHooks<Session<Schema>, Schema>;
  /** For whom its sessions may speak. */
  readonly identityRules: IdentityRules;
}

/**
 * A database session: one task's transactions and nothing that outlives it.
 *
 * It is a Drizzle database, so whatever takes one takes a session. Nothing is
 * opened before the first statement, which begins a transaction; `commit()`
 * keeps its work, and whoever leaves without it rolls back.
 *
 * Make sessions with a `sessionmaker`, one per task.
 *
 * @example A block
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { assertEquals } from "@std/assert";
 *
 * await using engine = createEngine(pglite());
 * const Session = sessionmaker(engine);
 * await using db = Session();
 * await db.execute("create table notes (body text)");
 * await db.execute("insert into notes values ('hello')");
 * await db.commit();
 * assertEquals((await db.execute("select * from notes")).rows, [{ body: "hello" }]);
 * ```
 *
 * @typeParam Schema The schema that was given to `sessionmaker`.
 */
export class Session<
  Schema extends Record<string, unknown> = Record<string, never>,
> extends PgDatabase<
  SessionQueryResultHKT,
  Schema,
  ExtractTablesWithRelations<Schema>
> {
  /** Drizzle's name for the class; `is()` compares it. */
  static override readonly [entityKind]: string = "NullpoolSession";

  static {
    installEntityMethods(this.prototype);
  }

  readonly #core: SessionCore;
  readonly #engine: Engine;
  readonly #identity: SessionIdentity;
  readonly #holder: PoolHolder;
  readonly #runner: StatementRunner;

  /**
   * Creates a session; a sessionmaker does.
   *
   * @param parts What it is made of.
   * @param options How it runs.
   * @throws {RangeError} When an option has a value that is none of its own.
   * @throws {TypeError} When an option has the wrong type.
   */
  constructor(parts: SessionParts<Schema>, options: SessionOptions = {}) {
    const { name = "a session", parent, signal, requireClaims } = options;
    if (options.transaction) checkTransactionOptions(options.transaction);
    checkSignal(signal);
    const holder: PoolHolder = { name, parent };
    const { shape } = parts;
    const core = new SessionCore(parts.engine, {
      transaction: { ...parts.transaction, ...options.transaction },
      atomic: options.atomic ?? false,
      autobegin: options.autobegin ?? true,
      sharesReads: options.sharesReads ?? true,
      authToken: options.authToken,
      signal,
      notesPosition: options.readYourWrites ?? false,
      bookmark: options.bookmark,
      identity: identitySettings(options, {
        ...parts.identityRules,
        ...(requireClaims !== undefined && { requireClaims }),
      }),
      guard: options.context?.guard,
      closedHint: options.closedHint,
      whenUsed: options.whenUsed,
      holder,
      hooks: coreHooks(parts.hooks, () => this, () => runner),
      known: shape.tables.known,
      onFlush: (tables, statements) =>
        hearFlush(shape, core, { tables, statements }),
    });
    const runner = runnerFor(shape, core, options.context);
    super(shape.dialect, runner, undefined);
    defineStructure(this, shape, runner);
    this.#core = core;
    this.#engine = parts.engine;
    const { claims, role, authToken } = options;
    this.#identity = { claims, role, requireClaims, authToken };
    this.#holder = holder;
    this.#runner = runner;
  }

  /** Whether statements are accepted: not closed, and nothing has failed. */
  get isActive(): boolean {
    return this.#core.state === "idle" || this.#core.state === "active";
  }

  /** Whether a transaction is open; maybe nothing was sent yet. */
  get inTransaction(): boolean {
    return this.#core.inTransaction;
  }

  /** Whether a savepoint is open; maybe nothing was sent yet. */
  get inNestedTransaction(): boolean {
    return this.#core.inNestedTransaction;
  }

  /** The session as a pool sees it; give it to `parent`. */
  get holder(): PoolHolder {
    return this.#holder;
  }

  /** For whom it speaks: another session for the same is given these. */
  get identity(): SessionIdentity {
    return this.#identity;
  }

  /** What lends its connections. */
  get engine(): Engine {
    return this.#engine;
  }

  /** Where the session stands. */
  get state(): SessionState {
    return this.#core.state;
  }

  /** Entities that the next flush inserts. */
  get new(): readonly object[] {
    return this.#core.work.pending("new");
  }

  /** Entities whose changes the next flush writes. */
  get dirty(): readonly object[] {
    return this.#core.work.pending("stored");
  }

  /** Entities that the next flush deletes. */
  get deleted(): readonly object[] {
    return this.#core.work.pending("removed");
  }

  /**
   * How far the primary's log was behind the last commit that wrote: give it to
   * the next session of the same user, whose reads from replicas see what this
   * one has written. Only with `readYourWrites`.
   */
  get bookmark(): string | undefined {
    return this.#core.stats.bookmark;
  }

  /** What the session has cost so far. */
  get stats(): Readonly<SessionStats> {
    return this.#core.stats;
  }

  /**
   * Resolves when the session is closed and its connection is back in the
   * pool, or closed. It never rejects: hand it to `waitUntil`.
   */
  get closed(): Promise<void> {
    return this.#core.closed;
  }

  /**
   * Begins a transaction explicitly; nothing is sent before a statement needs
   * it. Reads that ran before are joined if the options stay the same.
   *
   * @param options How it runs.
   * @returns Its handle, for `await using`; `commit()` and `rollback()` of the
   * session do the same.
   * @throws {StateError} When a transaction is open that cannot be joined.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  begin(options?: TransactionOptions): Promise<TransactionHandle>;
  /**
   * Runs a block in a transaction: commits at its end, rolls back and rethrows
   * when it throws. A commit or rollback inside ends the block's work.
   *
   * @typeParam T What the block returns.
   * @param block Given this session.
   * @param options How the transaction runs.
   * @returns What the block returned.
   * @throws {StateError} When a transaction is open that cannot be joined.
   */
  begin<T>(
    block: (db: this) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T>;
  async begin<T>(
    first: TransactionOptions | ((db: this) => Promise<T>) = {},
    options: TransactionOptions = {},
  ): Promise<T | TransactionHandle> {
    if (typeof first !== "function") return this.#core.begin(first);
    return await this.#core.runTransaction(
      async () => await first(this),
      options,
    );
  }

  /**
   * Makes sure that the open transaction runs as whoever joins it asks for:
   * where nothing has run in it yet it will, else other options are refused.
   *
   * @param options How it is to run.
   * @throws {StateError} When it runs otherwise already.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  checkOptions(options: TransactionOptions): void {
    this.#core.checkOptions(options);
  }

  /**
   * Runs a block as Drizzle's `transaction` does: inside a savepoint where a
   * transaction was begun explicitly or has written, else in a transaction of
   * its own.
   *
   * @typeParam T What the block returns.
   * @param transaction Given the handle to use meanwhile.
   * @param config How a transaction of its own runs.
   * @returns What the block returned.
   * @throws {StateError} When a nested block is open, or a savepoint is asked
   * for other options than its transaction has.
   */
  override transaction<T>(
    transaction: (tx: SessionTransaction<Schema>) => Promise<T>,
    config?: BlockOptions,
  ): Promise<T> {
    // The runner makes nothing but transactions of this session's own schema.
    return this.#runner.transaction(
      (tx) => transaction(tx as SessionTransaction<Schema>),
      config,
    );
  }

  /**
   * Opens a savepoint; SAVEPOINT is sent before the first statement inside.
   *
   * @returns Its handle: `commit()` keeps its work, `rollback()` undoes it.
   * @throws {StateError} When the session cannot run statements now.
   */
  beginNested(): Promise<TransactionHandle>;
  /**
   * Runs a block inside a savepoint, kept at its end and rolled back when the
   * block throws.
   *
   * @typeParam T What the block returns.
   * @param block Given the handle to use meanwhile.
   * @returns What the block returned.
   * @throws {StateError} When the session cannot run statements now.
   */
  beginNested<T>(
    block: (tx: SessionTransaction<Schema>) => Promise<T>,
  ): Promise<T>;
  beginNested<T>(
    block?: (tx: SessionTransaction<Schema>) => Promise<T>,
  ): Promise<T | TransactionHandle> {
    // The runner makes nothing but transactions of this session's own schema.
    return this.#runner.nested(
      block && ((tx) => block(tx as SessionTransaction<Schema>)),
    );
  }

  /**
   * Commits the transaction, through all savepoints. Without one it does
   * nothing.
   *
   * @throws {StateError} When a statement failed before, one is still running,
   * or a nested block is open.
   * @throws {DatabaseError} When the server refused; nothing was saved.
   * @throws {CommitOutcomeError} When the answer was lost.
   */
  commit(): Promise<void> {
    return this.#core.commit();
  }

  /**
   * Rolls back the transaction, through all savepoints. It is never refused
   * and never rejects; without a transaction it does nothing.
   *
   * @param options Why, for the event.
   */
  rollback(options?: RollbackOptions): Promise<void> {
    return this.#core.rollback(options);
  }

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
   * @throws {RangeError} When the timeout is no number of milliseconds.
   * @throws {TypeError} When the signal is none.
   */
  within<T>(work: PromiseLike<T>, options: WithinOptions): Promise<T> {
    return within(work, options, (error) => this.#core.interrupt(error));
  }

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
    options: StreamOptions = {},
  ): AsyncGenerator<Row, void, void> {
    // The query's own type says what its rows are.
    return this.#runner.stream(query, options) as AsyncGenerator<Row>;
  }

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
  async connection(): Promise<TransactionConnection> {
    return await Promise.resolve(transactionConnection(this.#core));
  }

  /**
   * Registers what is to run after the commit, when the connection is given
   * back: it may use a session of its own. A rollback drops it, also that of
   * a savepoint that is open now.
   *
   * @param hook Runs, and is waited for by `commit()`; what it throws is told
   * as a `listenerError` event.
   * @throws {StateError} When the session cannot run statements now.
   */
  afterCommit(hook: () => unknown): void {
    this.#core.hooks.afterCommit(hook);
  }

  /**
   * Registers what is to run when the work so far is undone, with the
   * transaction or with the savepoint that is open now: a file to delete, a
   * counter to set back. It runs when the transaction has ended and the
   * connection is given back.
   *
   * @param hook Runs, and is waited for; what it throws is told as a
   * `listenerError` event.
   * @throws {StateError} When the session cannot run statements now.
   */
  afterRollback(hook: () => unknown): void {
    this.#core.hooks.afterRollback(hook);
  }

  /**
   * Marks the transaction: whoever owns it rolls back, and `commit()` is
   * refused.
   *
   * @throws {StateError} When the session is closed.
   */
  setRollbackOnly(): void {
    this.#core.setRollbackOnly();
  }

  /** Whether the transaction can only be rolled back. */
  get isRollbackOnly(): boolean {
    return this.#core.rollbackOnly;
  }

  /**
   * Rolls back what is open and ends the session for good. The second call
   * does nothing more.
   *
   * @returns Resolves when the rollback is done; saying goodbye to the server
   * goes on in the background, see `closed`.
   */
  close(): Promise<void> {
    return this.#core.close();
  }

  /**
   * Closes the session and throws its connection away without a word to the
   * server, which rolls back when it notices: for a connection that is known
   * to be in a bad way.
   *
   * @returns As `close`.
   */
  invalidate(): Promise<void> {
    return this.#core.invalidate();
  }

  /** Closes the session at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#core.close();
  }
}

/**
 * What a session does with entities.
 *
 * @typeParam Schema The schema that was given to `sessionmaker`.
 */
export interface Session<
  Schema extends Record<string, unknown> = Record<string, never>,
> extends EntityMethods<Schema> {}
