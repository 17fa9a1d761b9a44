import type { Result, Statement } from "../driver/statement.ts";
import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { NullpoolError } from "../errors/error.ts";
import type { UnitOfWork } from "../unit_of_work/unit_of_work.ts";
import { Beginning } from "./_beginning.ts";
import { CallSites } from "./_call_site.ts";
import { CurrentTransaction } from "./_current_transaction.ts";
import { Ending } from "./_ending.ts";
import { Flusher } from "./_flusher.ts";
import { Gate } from "./_gate.ts";
import { Guests } from "./_guests.ts";
import type { HookList } from "./_hook_list.ts";
import { HookRunner } from "./_hook_runner.ts";
import { Lifetime } from "./_lifetime.ts";
import { Nesting } from "./_nesting.ts";
import { checkParameters, endedError } from "./_refusals.ts";
import type { Joining } from "./joining.ts";
import type { WatchableWork } from "./savepoint.ts";
import type { SessionState } from "./session_state.ts";
import { ANY_TABLE, type StatementTables } from "./statement_tables.ts";
import type { SessionCoreOptions } from "./session_core_options.ts";
import { newStats, type SessionStats } from "./session_stats.ts";
import type { TransactionHandle } from "./transaction_handle.ts";
import type { RollbackOptions } from "./transaction.ts";

/**
 * Who issues a statement: the session itself, or the handle that a nested
 * block was given. Handles are told apart by identity.
 */
export interface SessionHandle {
  /** The session behind it. */
  readonly core: SessionCore;
}

/**
 * The kernel of a session, without Drizzle: one task's transactions, one after
 * the other, on one connection at a time.
 */
export class SessionCore implements SessionHandle {
  /** What it has cost so far. */
  readonly stats: SessionStats = newStats();
  /** How blocks take part in a transaction which somebody else ends. */
  readonly joining: Joining;
  readonly #lifetime: Lifetime;
  readonly #options: SessionCoreOptions<SessionHandle>;
  readonly #hooks: HookRunner<SessionHandle>;
  readonly #gate: Gate<SessionHandle>;
  readonly #nesting: Nesting<SessionHandle>;
  readonly #flusher: Flusher;
  readonly #current: CurrentTransaction<SessionHandle>;
  readonly #beginning: Beginning<SessionHandle>;
  readonly #ending: Ending<SessionHandle>;
  #cursors = 0;
  #closing: Promise<HookList | undefined> | undefined;

  /**
   * @param engine Lends connections.
   * @param options How it runs.
   */
  constructor(engine: Engine, options: SessionCoreOptions<SessionHandle>) {
    this.#options = options;
    this.#hooks = new HookRunner(options.hooks, engine);
    const sites = engine.mode === "development" ? new CallSites() : undefined;
    sites?.note("open");
    this.#gate = new Gate<SessionHandle>(
      this,
      () => this.#current.open,
      sites,
      options,
    );
    this.#flusher = new Flusher(engine, options);
    const owner = { stats: this.stats, holder: options.holder };
    this.#current = new CurrentTransaction(this.#gate, options, {
      ...owner,
      engine,
      work: this.#flusher.work,
      placeOf: (call) => sites?.of(call) ?? "",
      sharesReads: options.sharesReads,
      authToken: options.authToken,
      identity: options.identity,
      notesPosition: options.notesPosition,
      bookmark: options.bookmark,
      signal: options.signal,
      onFailure: () => this.#gate.turn("fail"),
      afterBegin: this.#hooks.hearsBegin
        ? (execute) => this.#hooks.afterBegin({ core: this }, execute)
        : undefined,
    });
    const shared = {
      gate: this.#gate,
      current: this.#current,
      flusher: this.#flusher,
      rules: options,
    };
    const guests = new Guests(shared);
    this.joining = guests;
    const parts = {
      ...shared,
      guests,
      hooks: this.#hooks,
      stats: this.stats,
      ends: this,
      newHandle: () => ({ core: this }),
    };
    this.#nesting = new Nesting(parts);
    this.#beginning = new Beginning(parts, this.#nesting);
    this.#ending = new Ending(parts);
    const place = sites?.of("open") ?? "";
    this.#lifetime = new Lifetime(engine, owner, place);
  }

  /** Resolves when the session is closed and its connection is returned. */
  get closed(): Promise<void> {
    return this.#lifetime.over;
  }

  /** The session is its own outermost handle. */
  get core(): SessionCore {
    return this;
  }

  /** Where the session stands. */
  get state(): SessionState {
    return this.#gate.state;
  }

  /** Whether a transaction is open; maybe nothing was sent yet. */
  get inTransaction(): boolean {
    if (this.#gate.state === "closed") return false;
    return this.#current.open !== undefined || this.#options.atomic;
  }

  /** Whether a savepoint is open; maybe nothing was sent yet. */
  get inNestedTransaction(): boolean {
    return this.#gate.blocks.hasSavepoint;
  }

  /** The open transaction, to tell it from others. */
  get transaction(): WatchableWork | undefined {
    return this.#current.open;
  }

  /** What the session has pending, and what it knows of rows. */
  get work(): UnitOfWork {
    return this.#flusher.work;
  }

  /**
   * Begins a transaction if there is none; nothing is sent.
   *
   * @param handle Who asks.
   * @returns It, to tell it from others.
   * @throws {StateError} When the session cannot run statements now.
   */
  join(handle: SessionHandle): object {
    if (!this.#hooks.isFirst(handle)) this.#gate.allow("execute", handle);
    return this.#current.begin("execute");
  }

  /**
   * Whether it speaks for somebody in particular, or may: the hook `afterBegin`
   * sets what policies read, and who needs claims and has none speaks for
   * nobody at all.
   */
  get isPersonal(): boolean {
    const { identity, authToken } = this.#options;
    const isPlain = identity !== undefined && authToken === undefined &&
      Object.keys(identity).length === 0;
    return !isPlain || this.#hooks.hearsBegin;
  }

  /**
   * Refuses a handle whose block has ended.
   *
   * @param handle Who asks.
   * @throws {StateError} When it has.
   */
  checkAlive(handle: SessionHandle): void {
    if (!this.isAlive(handle)) throw endedError("execute");
  }

  /** Whether a handle's block has not ended. */
  isAlive(handle: SessionHandle): boolean {
    return this.#gate.blocks.has(handle);
  }

  /**
   * Refuses whoever belongs to a transaction that has ended.
   *
   * @param transaction What `join` returned.
   * @throws {StateError} When it is not the open one.
   */
  checkTransaction(transaction: object): void {
    if (transaction !== this.#current.open) throw endedError("query");
  }

  /** Whether the transaction can only be rolled back. */
  get rollbackOnly(): boolean {
    return this.#current.rollbackOnly;
  }

  /**
   * Runs a statement, beginning a transaction if there is none, behind the
   * changes that it might see or overwrite.
   *
   * @param handle Through which it was issued.
   * @param statement What to run.
   * @param tablesOf Tells which tables it is about.
   * @returns Its result.
   * @throws {StateError} When the session cannot run statements now.
   */
  async execute(
    handle: SessionHandle,
    statement: Statement,
    tablesOf: () => StatementTables = () => ANY_TABLE,
  ): Promise<Result> {
    const first = this.#hooks.executeFirst(handle, statement);
    if (first !== undefined) return await first;
    this.#gate.allow("execute", handle);
    checkParameters(statement);
    const transaction = this.#current.begin("execute");
    const { settled } = this.#flusher;
    const flushed = this.#flusher.before(transaction, tablesOf);
    const answer = transaction.execute(statement);
    if (flushed === undefined && settled === undefined) return await answer;
    answer.catch(() => {});
    await flushed;
    await settled;
    return await answer;
  }

  /**
   * Fails the open transaction, or the one that is about to be begun, and
   * cancels what it runs.
   *
   * @param error Why.
   * @returns Whether that could be done: a COMMIT that has left is waited for.
   */
  interrupt(error: NullpoolError): boolean {
    const { open } = this.#current;
    if (open !== undefined) return open.interrupt(error);
    if (this.#gate.state !== "idle") return false;
    // What was asked for in this turn has yet to begin one.
    return this.#current.begin("begin").interrupt(error);
  }

  /**
   * Gives a statement a place among the changes: it goes out with the flush.
   * What has none is told here, as nobody may ever look at the answer.
   *
   * @param handle Through which it was issued.
   * @param statement What to run.
   * @param tablesOf Tells which tables it is about.
   * @returns Its result, when it is flushed; it may be left alone.
   * @throws {StateError} When the session cannot run it, or not now.
   * @throws {ConnectionError} When a signal or a timeout has fired.
   */
  enqueue(
    handle: SessionHandle,
    statement: Statement,
    tablesOf: () => StatementTables,
  ): Promise<Result> {
    this.#gate.allow("execute", handle);
    checkParameters(statement);
    const transaction = this.#current.begin("execute");
    const refusal = transaction.refusalOf(statement);
    if (refusal !== undefined) throw refusal;
    this.#flusher.hold(transaction);
    const answer = transaction.hold(statement);
    answer.catch(() => {});
    this.work.invalidate(tablesOf().names);
    return answer;
  }

  /**
   * Sends what is pending. Without any of it nothing is sent.
   *
   * @param handle Who asks.
   * @throws {StateError} When a statement is running, or the changes cannot be
   * brought into an order.
   * @throws {StaleDataError} When a row is not as it was loaded.
   * @throws {DatabaseError} When the server refused.
   */
  async flush(handle: SessionHandle): Promise<void> {
    this.#gate.allow("execute", handle);
    this.#gate.refuseBusy("flush");
    if (!this.#hasWork) return;
    await this.#flusher.flushAll(this.#current.begin("execute"));
  }

  /** Whether statements flush what they may see. */
  get autoflushes(): boolean {
    return this.#flusher.isAutomatic;
  }

  /**
   * Runs a function whose statements flush nothing.
   *
   * @param fn What to run.
   */
  withoutAutoflush<T>(fn: () => Promise<T>): Promise<T> {
    return this.#flusher.without(fn);
  }

  /** Whether a flush would send anything. */
  get #hasWork(): boolean {
    return this.work.hasChanges() || (this.#current.open?.hasHeld ?? false);
  }

  /**
   * Refuses whoever could not execute a statement now.
   *
   * @param handle Who asks.
   * @throws {StateError} When the session cannot run statements now.
   */
  checkUse(handle: SessionHandle): void {
    this.#gate.allow("execute", handle);
  }

  /**
   * Begins a transaction explicitly; nothing is sent. Reads that ran before
   * are joined, as long as the options stay the same.
   *
   * @param options How it runs.
   * @returns Its handle.
   * @throws {StateError} When one is open that cannot be joined.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  begin(options: TransactionOptions = {}): TransactionHandle {
    return this.#beginning.begin(this, options);
  }

  /**
   * Runs a block in a transaction: commits at its end, rolls back and rethrows
   * when it throws. A commit or rollback inside ends the block's work.
   *
   * @param block What to run.
   * @param options How the transaction runs.
   * @returns What the block returned.
   */
  runTransaction<T>(
    block: () => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    return this.#beginning.run(this, block, options);
  }

  /**
   * Runs what Drizzle calls a transaction: a savepoint where a transaction is
   * open explicitly, has written or has changes pending, else a transaction of
   * its own.
   *
   * @param outer Through which it was asked for.
   * @param block Given the handle that is the only legal one meanwhile.
   * @param options How a transaction of its own runs.
   * @returns What the block returned.
   */
  runBlock<T>(
    outer: SessionHandle,
    block: (handle: SessionHandle) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    return this.#beginning.runBlock(outer, block, options);
  }

  /**
   * Runs a block inside a savepoint, which is kept at its end and rolled back
   * when the block throws.
   *
   * @param outer Through which it was asked for.
   * @param block Given the handle that is the only legal one meanwhile.
   * @returns What the block returned.
   */
  runNested<T>(
    outer: SessionHandle,
    block: (handle: SessionHandle) => Promise<T>,
  ): Promise<T> {
    return this.#nesting.run(outer, block);
  }

  /**
   * Opens a savepoint without a block.
   *
   * @param outer Through which it was asked for; it stays the legal handle.
   * @returns Its handle.
   */
  openNested(outer: SessionHandle): TransactionHandle {
    return this.#nesting.open(outer);
  }

  /**
   * Commits the root transaction, through all savepoints, with what is pending.
   *
   * @throws {StateError} When the transaction failed, a statement is running,
   * or a nested block is open.
   * @throws {DatabaseError} When the server refused.
   * @throws {CommitOutcomeError} When the answer was lost.
   */
  commit(): Promise<void> {
    return this.#ending.commit(this);
  }

  /**
   * Rolls back the root transaction, through all savepoints. It is never
   * refused and never rejects.
   *
   * @param options Why.
   */
  async rollback(options: RollbackOptions = {}): Promise<void> {
    const hooks = await this.#ending.rollback(options);
    if (hooks !== undefined) await this.#hooks.afterRollback(hooks);
  }

  /** A name that no other cursor of this session has. */
  newCursorName(): string {
    return `nullpool_cursor_${++this.#cursors}`;
  }

  /**
   * Whether a read sees just what others have committed: nothing was written,
   * or is about to be, and no snapshot is kept.
   */
  get readsCommitted(): boolean {
    return this.#current.readsCommitted && !this.work.hasChanges();
  }

  /** Whether each statement stands for itself. */
  get isAutocommit(): boolean {
    return this.#current.isAutocommit;
  }

  /**
   * What is to run after the end of the open transaction; begins one if there
   * is none.
   *
   * @throws {StateError} When the session cannot run statements now.
   */
  get hooks(): HookList {
    this.#gate.allow("execute", this.#gate.blocks.innermost);
    return this.#current.begin("execute").hooks;
  }

  /** Marks the transaction: it can only be rolled back from now on. */
  setRollbackOnly(): void {
    // Also of a failed one: that is where it is asked for.
    if (this.#gate.state !== "failed") {
      this.#gate.allow("execute", this.#gate.blocks.innermost);
    }
    this.#current.begin("execute");
    this.#current.rollbackOnly = true;
  }

  /**
   * Rolls back what is open and refuses everything from now on. The second
   * call does nothing more.
   *
   * @returns Resolves when nothing of the session runs any more; `closed`
   * resolves when its connection is returned as well.
   */
  async close(): Promise<void> {
    // Without the hooks: it may be one of them that asks.
    if (this.#closing !== undefined) return void await this.#closing;
    this.#gate.enter(this.#gate.permit("close"));
    this.#closing = this.#ending.rollback();
    const hooks = await this.#closing;
    if (hooks !== undefined) await this.#hooks.afterRollback(hooks);
    this.#lifetime.endAfter(this.#current.returned);
  }

  /**
   * Closes without a word to the server: the connection is thrown away, and
   * the server rolls back when it notices.
   *
   * @returns As `close`.
   */
  invalidate(): Promise<void> {
    this.#current.open?.invalidate();
    return this.close();
  }
}
