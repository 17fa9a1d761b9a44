import type { Result, Statement } from "../driver/statement.ts";
import {
  checkTransactionOptions,
  sameTransactionOptions,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import { StateError } from "../errors/state_error.ts";
import {
  busyError,
  endedError,
  openBlockError,
  openError,
} from "./_refusals.ts";
import type { Frame } from "./_frame.ts";
import type { NestedHandle } from "./nested_handle.ts";
import type { Savepoint } from "./savepoint.ts";
import {
  refusalOf,
  type SessionCall,
  type SessionState,
} from "./session_state.ts";
import type { SessionCoreOptions } from "./session_core_options.ts";
import { newStats, type SessionStats } from "./session_stats.ts";
import { type Hook, type RollbackOptions, Transaction } from "./transaction.ts";

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
  readonly #options: SessionCoreOptions;
  readonly #markClosed: () => void;
  #transaction: Transaction | undefined;
  /** The transaction that a running `begin(fn)` block owns. */
  #blockTransaction: Transaction | undefined;
  #frames: Frame<SessionHandle>[] = [];
  #committing: Promise<void> | undefined;
  #rollbackOnly = false;
  #cursors = 0;
  #returned: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /**
   * @param engine Lends connections.
   * @param options How it runs.
   */
  constructor(engine: Engine, options: SessionCoreOptions) {
    this.#engine = engine;
    this.#options = options;
    let markClosed = () => {};
    this.closed = new Promise((resolve) => markClosed = resolve);
    this.#markClosed = markClosed;
  }

  /** The session is its own outermost handle. */
  get core(): SessionCore {
    return this;
  }

  /** Where the session stands. */
  get state(): SessionState {
    if (this.#closing !== undefined) return "closed";
    if (
      this.#blockTransaction !== undefined &&
      this.#blockTransaction !== this.#transaction
    ) return "ended";
    if (this.#transaction === undefined) return "idle";
    return this.#transaction.failure === undefined ? "active" : "failed";
  }

  /** Whether a transaction is open; maybe nothing was sent yet. */
  get inTransaction(): boolean {
    return this.#transaction !== undefined;
  }

  /** Whether a savepoint is open; maybe nothing was sent yet. */
  get inNestedTransaction(): boolean {
    return this.#frames.some((frame) => frame.savepoint !== undefined);
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
    this.#check("execute", handle);
    return await this.#autobegin().execute(statement);
  }

  /**
   * Begins a transaction explicitly; nothing is sent. Reads that ran before
   * are joined, as long as the options stay the same.
   *
   * @param options How it runs.
   * @throws {StateError} When one is open that cannot be joined.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  begin(options: TransactionOptions = {}): void {
    checkTransactionOptions(options);
    this.#check("begin", this);
    this.#refuseBusy("begin");
    const transaction = this.#autobegin();
    const wanted = { ...this.#options.transaction, ...options };
    const obstacle = transaction.explicit
      ? "begin() was called before"
      : transaction.writes > 0
      ? "it has written already"
      : transaction.used &&
          !sameTransactionOptions(transaction.options, wanted)
      ? "its reads ran under other options"
      : undefined;
    if (obstacle !== undefined) throw openError("begin", obstacle);
    transaction.options = wanted;
    transaction.explicit = true;
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
    this.begin(options);
    const transaction = this.#transaction;
    this.#blockTransaction = transaction;
    try {
      const result = await block();
      if (this.#transaction === transaction) {
        await (this.#rollbackOnly ? this.rollback() : this.commit());
      }
      return result;
    } catch (error) {
      if (this.#transaction === transaction) await this.rollback();
      throw error;
    } finally {
      this.#blockTransaction = undefined;
    }
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
    this.#check("beginNested", outer);
    const open = this.#transaction;
    const nested = this.#options.atomic || this.#frames.length > 0 ||
      open?.explicit || (open?.writes ?? 0) > 0;
    if (!nested) {
      return await this.runTransaction(
        () => this.#inFrame(undefined, ({ handle }) => block(handle)),
        options,
      );
    }
    const wanted = { ...this.#autobegin().options, ...options };
    if (!sameTransactionOptions(this.#autobegin().options, wanted)) {
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
    this.#check("beginNested", outer);
    const transaction = this.#autobegin();
    const savepoint = transaction.pushSavepoint();
    return await this.#inFrame(savepoint, async (frame) => {
      try {
        const result = await block(frame.handle);
        // A rollback of the root inside the block has ended it already.
        if (this.#frames.includes(frame)) {
          this.#check("commit", frame.handle);
          this.#refuseBusy("end the nested block");
          transaction.release(savepoint);
        }
        return result;
      } catch (error) {
        // Before the frame is left: a statement of the outer handle must not
        // slip in ahead of ROLLBACK TO.
        if (this.#frames.includes(frame)) {
          await transaction.rollbackTo(savepoint);
        }
        throw error;
      }
    });
  }

  /**
   * Opens a savepoint without a block.
   *
   * @param outer Through which it was asked for; it stays the legal handle.
   * @returns Its handle.
   */
  openNested(outer: SessionHandle): NestedHandle {
    this.#check("beginNested", outer);
    this.#refuseBusy("begin a savepoint");
    const transaction = this.#autobegin();
    const savepoint = transaction.pushSavepoint();
    const frame: Frame<SessionHandle> = { handle: outer, savepoint };
    const frames = this.#frames;
    frames.push(frame);
    const isActive = () => frames === this.#frames && frames.includes(frame);
    const end = (call: SessionCall) => {
      if (!isActive()) throw endedError(call);
    };
    return {
      get isActive() {
        return isActive();
      },
      release: () => {
        end("commit");
        this.#check("commit", outer);
        this.#refuseBusy("release the savepoint");
        transaction.release(savepoint);
        this.#leave(frame);
      },
      rollback: async () => {
        end("rollback");
        await transaction.rollbackTo(savepoint);
        this.#leave(frame);
      },
    };
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
    this.#check("commit", this);
    this.#refuseBusy("commit");
    if (this.#rollbackOnly) {
      throw new StateError(
        "ROLLBACK_ONLY",
        "Cannot commit: setRollbackOnly() was called; call rollback() instead",
      );
    }
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    this.#committing = transaction.commit();
    try {
      await this.#committing;
      this.#forget(transaction);
    } finally {
      this.#committing = undefined;
    }
  }

  /**
   * Rolls back the root transaction, through all savepoints. It is never
   * refused and never rejects.
   *
   * @param options Why.
   */
  async rollback(options: RollbackOptions = {}): Promise<void> {
    // A COMMIT that is under way can only be awaited.
    await this.#committing?.catch(() => {});
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    this.#frames = [];
    await transaction.rollback(options);
    this.#forget(transaction);
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

  /**
   * Registers what is to run after the commit.
   *
   * @param hook Runs when the connection is given back; a rollback drops it.
   * @throws {StateError} When the session cannot run statements now.
   */
  afterCommit(hook: Hook): void {
    this.#check("execute", this.#innermost);
    this.#autobegin().afterCommit(hook);
  }

  /** Marks the transaction: it can only be rolled back from now on. */
  setRollbackOnly(): void {
    this.#check("commit", this.#innermost);
    this.#autobegin();
    this.#rollbackOnly = true;
  }

  /**
   * Rolls back what is open and refuses everything from now on. The second
   * call does nothing more.
   *
   * @returns Resolves when nothing of the session runs any more; `closed`
   * resolves when its connection is returned as well.
   */
  close(): Promise<void> {
    this.#closing ??= this.rollback().then(() => {
      void this.#returned.then(this.#markClosed);
    });
    return this.#closing;
  }

  get #innermost(): SessionHandle {
    return this.#frames.at(-1)?.handle ?? this;
  }

  #autobegin(): Transaction {
    this.#transaction ??= new Transaction(
      this.#engine,
      this.#options.transaction,
      { stats: this.stats, holder: this.#options.holder },
    );
    return this.#transaction;
  }

  #forget(transaction: Transaction): void {
    if (this.#transaction !== transaction) return;
    this.#transaction = undefined;
    this.#frames = [];
    this.#rollbackOnly = false;
    const before = this.#returned;
    this.#returned = transaction.returned.then(() => before);
  }

  async #inFrame<T>(
    savepoint: Savepoint | undefined,
    block: (frame: Frame<SessionHandle>) => Promise<T>,
  ): Promise<T> {
    const frame: Frame<SessionHandle> = { handle: { core: this }, savepoint };
    this.#frames.push(frame);
    try {
      return await block(frame);
    } finally {
      this.#leave(frame);
    }
  }

  #leave(frame: Frame<SessionHandle>): void {
    const at = this.#frames.indexOf(frame);
    if (at >= 0) this.#frames.length = at;
  }

  #check(call: SessionCall, handle: SessionHandle): void {
    const refusal = refusalOf(this.state, call);
    if (refusal !== undefined) {
      throw new StateError(
        refusal.code,
        `Cannot ${call}: ${refusal.reason}`,
        { cause: this.#transaction?.failure },
      );
    }
    if (handle !== this.#innermost) {
      const open = handle === this ||
        this.#frames.some((frame) => frame.handle === handle);
      if (!open) throw endedError(call);
      throw openBlockError(call);
    }
    if (this.#committing !== undefined) throw busyError(call, "commit");
  }

  #refuseBusy(call: string): void {
    if (this.#transaction?.busy) throw busyError(call, "a statement");
  }
}
