import { entityKind, type ExtractTablesWithRelations } from "drizzle-orm";
import { PgDatabase } from "drizzle-orm/pg-core";
import {
  checkSignal,
  checkTransactionOptions,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import { checkOptionNames } from "../errors/check_option_names.ts";
import { Bookmark } from "../session/bookmark.ts";
import { type IdentityRules, identitySettings } from "../session/claims.ts";
import type { Joining } from "../session/joining.ts";
import { SessionCore } from "../session/session_core.ts";
import type { SessionState } from "../session/session_state.ts";
import type { SessionStats } from "../session/session_stats.ts";
import type { TransactionHandle } from "../session/transaction_handle.ts";
import type { RollbackOptions } from "../session/transaction.ts";
import { defineStructure } from "./_define_structure.ts";
import { ENTITY_METHODS, type EntityMethods } from "./entity_methods.ts";
import { hearFlush, hearsFlush } from "./hear_flush.ts";
import { installMethods } from "./install_methods.ts";
import { runnerFor } from "./runner_for.ts";
import { coreHooks, type SessionHooks } from "./session_hooks.ts";
import {
  SESSION_OPTIONS,
  type SessionIdentity,
  type SessionOptions,
} from "./session_options.ts";
import type { SessionShape } from "./session_shape.ts";
import type { SessionTransaction } from "./session_transaction.ts";
import type {
  BlockOptions,
  SessionQueryResultHKT,
  StatementRunner,
} from "./statement_runner.ts";
import {
  STATEMENT_METHODS,
  type StatementMethods,
} from "./statement_methods.ts";

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
    installMethods(this.prototype, ENTITY_METHODS);
    installMethods(this.prototype, STATEMENT_METHODS);
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
    checkOptionNames("a session", options, SESSION_OPTIONS);
    if (options.transaction) checkTransactionOptions(options.transaction);
    checkSignal(signal);
    const holder: PoolHolder = { name, parent };
    const { shape } = parts;
    const bookmark = bookmarkOf(options)?.on(parts.engine.driver);
    const core = new SessionCore(parts.engine, {
      transaction: { ...parts.transaction, ...options.transaction },
      atomic: options.atomic ?? false,
      autobegin: options.autobegin ?? true,
      sharesReads: options.sharesReads ?? true,
      authToken: options.authToken,
      signal,
      notesPosition: options.readYourWrites ?? false,
      bookmark,
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
      onFlush: hearsFlush(shape)
        ? (tables, statements) => hearFlush(shape, core, { tables, statements })
        : undefined,
    });
    const runner = runnerFor(shape, core, options.context);
    super(shape.dialect, runner, undefined);
    defineStructure(this, shape, runner);
    this.#core = core;
    this.#engine = parts.engine;
    const { claims, role, authToken, readYourWrites } = options;
    this.#identity = {
      claims,
      role,
      requireClaims,
      authToken,
      readYourWrites,
      bookmark,
    };
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

  /** How blocks take part in its transactions: `scope.begin` asks. */
  get joining(): Joining {
    return this.#core.joining;
  }

  /** Whether a savepoint is open; maybe nothing was sent yet. */
  get inNestedTransaction(): boolean {
    return this.#core.inNestedTransaction;
  }

  /** The session as a pool sees it; give it to `parent`. */
  get holder(): PoolHolder {
    return this.#holder;
  }

  /**
   * For whom it speaks, and what they have to see: another session for the same
   * is given these.
   */
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
   * How far the primary's log was behind the last commit that wrote, its own or
   * that of a session which shares its bookmark, as those do that a task opens
   * besides its own: give it to the next session of the same user, whose reads
   * from replicas see what was written. Only with `readYourWrites`.
   */
  get bookmark(): string | undefined {
    return this.#identity.bookmark?.noted;
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
   * nothing. What a column throws at the value that a row came back with is
   * told as a `listenerError`: the transaction was committed, and whoever reads
   * the row again hears it.
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
 * What a session does with statements and entities, in a block or not.
 *
 * @typeParam Schema The schema that was given to `sessionmaker`.
 */
export interface Session<
  Schema extends Record<string, unknown> = Record<string, never>,
> extends StatementMethods, EntityMethods<Schema> {}

/** Text is where a user was; nobody else notes anything there. */
function bookmarkOf(
  { bookmark, readYourWrites }: SessionOptions,
): Bookmark | undefined {
  if (bookmark instanceof Bookmark) return bookmark;
  const isNeeded = bookmark !== undefined || readYourWrites === true;
  return isNeeded ? new Bookmark(bookmark) : undefined;
}
