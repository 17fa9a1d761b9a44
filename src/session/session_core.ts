import type { Result, Statement } from "../driver/statement.ts";
import {
  checkTransactionOptions,
  isAutocommit,
  sameTransactionOptions,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import { CallSites } from "./_call_site.ts";
import { Gate } from "./_gate.ts";
import type { HookList } from "./_hook_list.ts";
import { HookRunner } from "./_hook_runner.ts";
import { joinExplicitly, joinWithOptions } from "./_join_options.ts";
import { Nesting } from "./_nesting.ts";
import {
  autocommitError,
  busyError,
  endedError,
  notBegunError,
  openError,
  rollbackOnlyError,
} from "./_refusals.ts";
import type { WatchableWork } from "./savepoint.ts";
import type { SessionCall, SessionState } from "./session_state.ts";
import type { SessionCoreOptions } from "./session_core_options.ts";
import { newStats, type SessionStats } from "./session_stats.ts";
import { makeHandle, type TransactionHandle } from "./transaction_handle.ts";
import { type RollbackOptions, Transaction } from "./transaction.ts";

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
  /** Resolves when the session is closed and its connection is returned. */
  readonly closed: Promise<void>;

  readonly #engine: Engine;
  readonly #options: SessionCoreOptions<SessionHandle>;
  readonly #hooks: HookRunner<SessionHandle>;
  #markClosed = () => {};
  readonly #gate: Gate<SessionHandle>;
  readonly #nesting: Nesting<SessionHandle>;
  #transaction: Transaction | undefined;
  /** The transaction that a running `begin(fn)` block owns. */
  #blockTransaction: Transaction | undefined;
  #committing: Promise<void> | undefined;
  #rollbackOnly = false;
  #cursors = 0;
  #returned: Promise<void> = Promise.resolve();
  #closing: Promise<HookList | undefined> | undefined;

  /**
   * @param engine Lends connections.
   * @param options How it runs.
   */
  constructor(engine: Engine, options: SessionCoreOptions<SessionHandle>) {
    this.#engine = engine;
    this.#options = options;
    this.#hooks = new HookRunner(options.hooks, engine);
    const sites = engine.mode === "development" ? new CallSites() : undefined;
    this.#gate = new Gate<SessionHandle>(
      this,
      () => this.#transaction,
      sites,
      options.guard,
    );
    this.#nesting = new Nesting(this.#gate, () => ({ core: this }));
    this.closed = new Promise((resolve) => this.#markClosed = resolve);
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
    return this.#transaction !== undefined || this.#options.atomic;
  }

  /** Whether a savepoint is open; maybe nothing was sent yet. */
  get inNestedTransaction(): boolean {
    return this.#gate.blocks.hasSavepoint;
  }

  /** The open transaction, to tell it from others. */
  get transaction(): WatchableWork | undefined {
    return this.#transaction;
  }

  /**
   * Begins a transaction if there is none; nothing is sent.
   *
   * @param handle Who asks.
   * @returns It, to tell it from others.
   * @throws {StateError} When the session cannot run statements now.
   */
  join(handle: SessionHandle): object {
    this.#gate.allow("execute", handle);
    return this.#autobegin("execute");
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
    if (transaction !== this.#transaction) throw endedError("query");
  }

  /**
   * Refuses options that the open transaction cannot have any more; where
   * nothing was begun explicitly and nothing has run, it has them from now on.
   *
   * @param options How it is to run.
   * @throws {StateError} When it runs otherwise already.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  checkOptions(options: TransactionOptions): void {
    checkTransactionOptions(options);
    this.#gate.allow("execute", this.#gate.blocks.innermost);
    joinWithOptions(this.#autobegin("begin"), options);
  }

  /** Whether the transaction can only be rolled back. */
  get rollbackOnly(): boolean {
    return this.#rollbackOnly;
  }

  /**
   * Runs a statement, beginning a transaction if there is none.
   *
   * @param handle Through which it was issued.
   * @param statement What to run.
   * @returns Its result.
   * @throws {StateError} When the session cannot run statements now.
   */
  async execute(
    handle: SessionHandle,
    statement: Statement,
  ): Promise<Result> {
    const first = this.#hooks.executeFirst(handle, statement);
    if (first !== undefined) return await first;
    this.#gate.allow("execute", handle);
    return await this.#autobegin("execute").execute(statement);
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
    const transaction = this.#begin(options);
    return makeHandle(
      () => this.#transaction === transaction,
      { commit: () => this.commit(), rollback: () => this.rollback() },
    );
  }

  #begin(options: TransactionOptions): Transaction {
    checkTransactionOptions(options);
    this.#gate.allow("begin", this);
    this.#gate.refuseBusy("begin");
    const transaction = this.#autobegin("begin");
    const wanted = { ...this.#options.transaction, ...options };
    joinExplicitly(transaction, wanted);
    return transaction;
  }

  /**
   * Runs a block in a transaction: commits at its end, rolls back and rethrows
   * when it throws. A commit or rollback inside ends the block's work.
   *
   * @param block What to run.
   * @param options How the transaction runs.
   * @returns What the block returned.
   */
  async runTransaction<T>(
    block: () => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const transaction = this.#begin(options);
    this.#blockTransaction = transaction;
    try {
      const result = await block();
      this.#leaveBlock();
      if (this.#transaction === transaction) {
        await (this.#rollbackOnly ? this.rollback() : this.commit());
      }
      return result;
    } catch (error) {
      this.#leaveBlock();
      if (this.#transaction === transaction) await this.rollback();
      throw error;
    }
  }

  /** Before its transaction ends: a hook that runs then may use the session. */
  #leaveBlock(): void {
    this.#blockTransaction = undefined;
    this.#gate.turn("leaveBlock");
  }

  /**
   * Runs what Drizzle calls a transaction: a savepoint where a transaction is
   * open explicitly or has written, else a transaction of its own.
   *
   * @param outer Through which it was asked for.
   * @param block Given the handle that is the only legal one meanwhile.
   * @param options How a transaction of its own runs.
   * @returns What the block returned.
   */
  async runBlock<T>(
    outer: SessionHandle,
    block: (handle: SessionHandle) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    this.#gate.allow("beginNested", outer);
    const open = this.#transaction;
    const nested = this.#options.atomic || this.#gate.blocks.isOpen ||
      open?.explicit || (open?.writes ?? 0) > 0;
    const wanted = { ...this.#options.transaction, ...options };
    if (isAutocommit(wanted)) throw autocommitError("run transaction()");
    if (!nested) {
      return await this.runTransaction(
        () => this.#nesting.inBlock(undefined, ({ handle }) => block(handle)),
        options,
      );
    }
    const own = this.#autobegin("beginNested").options;
    if (!sameTransactionOptions(own, { ...own, ...options })) {
      throw openError("change its options", "a savepoint has none of its own");
    }
    return await this.runNested(outer, block);
  }

  /**
   * Runs a block inside a savepoint, which is kept at its end and rolled back
   * when the block throws.
   *
   * @param outer Through which it was asked for.
   * @param block Given the handle that is the only legal one meanwhile.
   * @returns What the block returned.
   */
  async runNested<T>(
    outer: SessionHandle,
    block: (handle: SessionHandle) => Promise<T>,
  ): Promise<T> {
    this.#gate.allow("beginNested", outer);
    return await this.#nesting.run(this.#nestable(), block);
  }

  /**
   * Opens a savepoint without a block.
   *
   * @param outer Through which it was asked for; it stays the legal handle.
   * @returns Its handle.
   */
  openNested(outer: SessionHandle): TransactionHandle {
    this.#gate.allow("beginNested", outer);
    this.#gate.refuseBusy("begin a savepoint");
    return this.#nesting.open(this.#nestable(), outer);
  }

  /**
   * Commits the root transaction, through all savepoints.
   *
   * @throws {StateError} When the transaction failed, a statement is running,
   * or a nested block is open.
   * @throws {DatabaseError} When the server refused.
   * @throws {CommitOutcomeError} When the answer was lost.
   */
  async commit(): Promise<void> {
    let next = this.#allowCommit();
    const preparing = this.#hooks.beforeCommit();
    if (preparing !== undefined) {
      await preparing;
      next = this.#allowCommit();
    }
    const transaction = this.#transaction;
    if (transaction === undefined) {
      return await this.#hooks.afterCommit(undefined);
    }
    this.#gate.enter(next);
    this.#committing = transaction.commit();
    try {
      await this.#committing;
      this.#forget(transaction);
    } finally {
      this.#committing = undefined;
    }
    await this.#hooks.afterCommit(transaction.hooks);
  }

  #allowCommit(): SessionState {
    const next = this.#gate.allow("commit", this);
    this.#gate.refuseBusy("commit");
    if (this.#hooks.isPreparing) {
      throw busyError("commit", "the beforeCommit hook");
    }
    if (this.#rollbackOnly) throw rollbackOnlyError();
    return next;
  }

  /**
   * Rolls back the root transaction, through all savepoints. It is never
   * refused and never rejects.
   *
   * @param options Why.
   */
  async rollback(options: RollbackOptions = {}): Promise<void> {
    const hooks = await this.#undo(options);
    if (hooks !== undefined) await this.#hooks.afterRollback(hooks);
  }

  /** Rolls back; what is to run then is left to the caller who began it. */
  async #undo(options: RollbackOptions = {}): Promise<HookList | undefined> {
    this.#hooks.stopPreparing();
    // A COMMIT that is under way can only be awaited.
    if (this.#committing) await this.#committing.catch(() => {});
    const transaction = this.#transaction;
    if (transaction === undefined) return undefined;
    this.#gate.enter(this.#gate.permit("rollback"));
    this.#gate.blocks.clear();
    await transaction.rollback(options);
    return this.#forget(transaction) ? transaction.hooks : undefined;
  }

  /** A name that no other cursor of this session has. */
  newCursorName(): string {
    return `nullpool_cursor_${++this.#cursors}`;
  }

  /**
   * Whether a read sees just what others have committed: nothing was written,
   * and no snapshot is kept.
   */
  get readsCommitted(): boolean {
    const { writes = 0, options = this.#options.transaction } =
      this.#transaction ?? {};
    return writes === 0 &&
      /^read/.test(options.isolationLevel ?? "read committed");
  }

  /** Whether each statement stands for itself. */
  get isAutocommit(): boolean {
    return isAutocommit(
      this.#transaction?.options ?? this.#options.transaction,
    );
  }

  /**
   * What is to run after the end of the open transaction; begins one if there
   * is none.
   *
   * @throws {StateError} When the session cannot run statements now.
   */
  get hooks(): HookList {
    this.#gate.allow("execute", this.#gate.blocks.innermost);
    return this.#autobegin("execute").hooks;
  }

  /** Marks the transaction: it can only be rolled back from now on. */
  setRollbackOnly(): void {
    // Also of a failed one: that is where it is asked for.
    if (this.#gate.state !== "failed") {
      this.#gate.allow("execute", this.#gate.blocks.innermost);
    }
    this.#autobegin("execute");
    this.#rollbackOnly = true;
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
    this.#closing = this.#undo();
    const hooks = await this.#closing;
    if (hooks !== undefined) await this.#hooks.afterRollback(hooks);
    void this.#returned.then(this.#markClosed);
  }

  /**
   * Closes without a word to the server: the connection is thrown away, and
   * the server rolls back when it notices.
   *
   * @returns As `close`.
   */
  invalidate(): Promise<void> {
    this.#transaction?.invalidate();
    return this.close();
  }

  /** The open transaction, begun on demand. */
  #autobegin(call: SessionCall): Transaction {
    if (this.#transaction === undefined) {
      const isFree = this.#options.autobegin || this.#options.atomic;
      if (call !== "begin" && !isFree) throw notBegunError(call);
      this.#gate.enter("active");
      this.#transaction = new Transaction(
        this.#options.transaction,
        {
          engine: this.#engine,
          stats: this.stats,
          holder: this.#options.holder,
          onFailure: () => this.#gate.turn("fail"),
          afterBegin: this.#hooks.hearsBegin
            ? (execute) => this.#hooks.afterBegin({ core: this }, execute)
            : undefined,
        },
      );
    }
    return this.#transaction;
  }

  #nestable(): Transaction {
    const transaction = this.#autobegin("beginNested");
    if (!isAutocommit(transaction.options)) return transaction;
    throw autocommitError("beginNested");
  }

  /** Whether it was the present one. */
  #forget(transaction: Transaction): boolean {
    if (this.#transaction !== transaction) return false;
    this.#transaction = undefined;
    this.#gate.turn(
      this.#blockTransaction === transaction ? "endInBlock" : "end",
    );
    this.#gate.blocks.clear();
    this.#rollbackOnly = false;
    const before = this.#returned;
    this.#returned = transaction.returned.then(() => before);
    return true;
  }
}
