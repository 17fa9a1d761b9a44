import { mayWrite, type Result, type Statement } from "../driver/statement.ts";
import { orGivenUp } from "../driver/give_up.ts";
import {
  beginsTransaction,
  endsTransaction,
  isAutocommit,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { Teller } from "../engine/flight.ts";
import { CommitOutcomeError } from "../errors/connection_error.ts";
import { NullpoolError } from "../errors/error.ts";
import type { SavepointEvent } from "../events/event.ts";
import { HookList } from "./_hook_list.ts";
import {
  neverBegunError,
  rawControlError,
  rolledBackError,
} from "./_refusals.ts";
import { Dispatcher } from "./_dispatcher.ts";
import { transactionTimeoutError } from "./_interruptions.ts";
import { Limits } from "./_limits.ts";
import type { CommitTerms } from "./_commit_proof.ts";
import {
  ROLLBACK_DEADLINE,
  type ServerTransaction,
} from "./_server_transaction.ts";
import type { StatementQueue } from "./_statement_queue.ts";
import { SavepointStack } from "./_savepoint_stack.ts";
import type { Savepoint, WatchableWork } from "./savepoint.ts";
import type { TransactionOwner } from "./transaction_owner.ts";

/** Why a transaction was rolled back. */
export interface RollbackOptions {
  /** Told in the event, such as `response status 404`. */
  readonly reason?: string | undefined;
}

/**
 * A root transaction as its session sees it: statements that wait, savepoints,
 * the first failure, and what runs after the end.
 *
 * Statements issued in the same turn travel in one flight, in order. The first
 * failure fails the transaction: PostgreSQL would answer everything behind it
 * with 25P02, and COMMIT with a ROLLBACK that looks like success.
 */
export class Transaction implements WatchableWork {
  /** Whether `begin()` was called, and not only a statement issued. */
  explicit = false;
  /** What runs after its end. */
  readonly hooks = new HookList();

  #options: TransactionOptions;
  readonly #owner: TransactionOwner;
  readonly #dispatcher: Dispatcher;
  /** Only where there are any: most transactions have none. */
  #limits: Limits | undefined;
  #isWatched = false;
  readonly #savepoints = new SavepointStack();
  #rollingBack: Promise<void> | undefined;
  #failure: NullpoolError | undefined;
  #writes = 0;
  #reads = 0;
  /** Whether a read calls a function that may write. */
  #isDoubtful = false;

  /**
   * @param options How it runs.
   * @param owner The session.
   */
  constructor(options: TransactionOptions, owner: TransactionOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#dispatcher = new Dispatcher({
      owner,
      options: () => this.options,
      terms: () => this.#terms,
      note: (statement) => this.#note(statement),
      noteWrite: () => {
        this.#writes++;
        owner.stats.writes++;
      },
      failure: () => this.#failure,
      fail: (error) => this.#fail(error),
      canRecover: () => this.#savepoints.canRecover,
    });
  }

  /** How it runs. */
  get options(): TransactionOptions {
    return this.#options;
  }

  /** Lets it run in another way, which nobody can have noticed yet. */
  set options(options: TransactionOptions) {
    this.#options = options;
    if (this.#isWatched) this.#watchLimits();
  }

  /** The first failure, until a rollback. */
  get failure(): NullpoolError | undefined {
    return this.#failure;
  }

  get #terms(): CommitTerms {
    const asksPosition = this.#owner.notesPosition && this.mayHaveWritten;
    return { hasWritten: this.#writes > 0, asksPosition };
  }

  get #queue(): StatementQueue {
    return this.#dispatcher.queue;
  }

  get #server(): ServerTransaction {
    return this.#dispatcher.server;
  }

  /** Whether a statement was issued and not answered yet. */
  get busy(): boolean {
    return this.#dispatcher.isBusy;
  }

  /** Statements that were issued as writes, or found out as such. */
  get writes(): number {
    return this.#writes;
  }

  /** Whether anything may have written, a function that a read calls as well. */
  get mayHaveWritten(): boolean {
    const isDoubtful = this.#isDoubtful && this.options.readOnly !== true;
    return this.#writes > 0 || isDoubtful;
  }

  /** Whether any statement was issued, so that the options are settled. */
  get used(): boolean {
    return this.#writes + this.#reads > 0;
  }

  /** Whether statements wait that nobody has sent. */
  get hasHeld(): boolean {
    return !this.#queue.isEmpty;
  }

  /** Whether a savepoint is open. */
  get hasSavepoints(): boolean {
    return !this.#savepoints.isEmpty;
  }

  /** Settles when the connection is back in the pool, or closed. */
  get returned(): Promise<void> {
    return this.#dispatcher.returned;
  }

  /**
   * Queues a statement; it goes out with the others of this turn.
   *
   * @param statement What to run.
   * @returns Its result.
   */
  execute(statement: Statement): Promise<Result> {
    const answer = this.hold(statement);
    this.#dispatcher.send();
    return answer;
  }

  /**
   * Why it takes no statement, if it takes none.
   *
   * @param statement What is to be run.
   */
  refusalOf({ text }: Statement): NullpoolError | undefined {
    if (this.#rollingBack !== undefined) return rolledBackError();
    if (!this.#isWatched) this.#watchLimits();
    const fired = this.#limits?.fired;
    if (fired !== undefined) return fired;
    const isControl = isAutocommit(this.options)
      ? beginsTransaction(text)
      : endsTransaction(text);
    return isControl ? rawControlError() : undefined;
  }

  /**
   * Queues a statement that goes out with the next one.
   *
   * @param statement What to run.
   * @returns Its result.
   */
  hold(statement: Statement): Promise<Result> {
    const refusal = this.refusalOf(statement);
    if (refusal !== undefined) return Promise.reject(refusal);
    this.#note(statement);
    for (const savepoint of this.#savepoints.unsent) {
      this.#queue.addSavepoint(savepoint, this.#teller(savepoint, "begin"));
    }
    return this.#queue.add(statement);
  }

  /**
   * Sends what waits.
   *
   * @returns Settles when all of it is answered; it never rejects.
   */
  sendHeld(): Promise<void> {
    return this.#dispatcher.sendAll();
  }

  /**
   * Fails it: changes that count as done never reached the server.
   *
   * @param error Why.
   */
  fail(error: unknown): void {
    if (this.#rollingBack !== undefined || this.#failure) return;
    if (!(error instanceof NullpoolError)) this.#fail(neverBegunError(error));
    // Undone together with what was to be sent.
    else if (error.code !== "TRANSACTION_ENDED") this.#fail(error);
  }

  /**
   * Whether statements wait that were issued inside a savepoint.
   *
   * @param savepoint An open one.
   */
  hasHeldIn({ before }: Savepoint): boolean {
    return !this.#queue.isEmpty && this.#queue.issued > before.issued;
  }

  /** Opens a savepoint; nothing is sent before a statement needs it. */
  pushSavepoint(): Savepoint {
    return this.#savepoints.push({
      hooks: this.hooks.mark(),
      issued: this.#queue.issued,
      work: this.#owner.work.mark,
    });
  }

  /**
   * Watches what is done now.
   *
   * @returns Tells whether no savepoint has undone it.
   */
  watch(): () => boolean {
    return this.#savepoints.watch();
  }

  /**
   * Keeps the work of a savepoint and of those inside it. RELEASE leads the
   * next flight: nobody has to wait for it.
   *
   * @param savepoint An open one.
   */
  release(savepoint: Savepoint): void {
    this.#savepoints.pop(savepoint);
    if (savepoint.state !== "open") return;
    this.#server.lead(savepoint.release, this.#teller(savepoint, "release"));
  }

  /**
   * Undoes the work of a savepoint and of those inside it. A failure inside it
   * is over then; the loss of the connection is not.
   *
   * @param savepoint An open one.
   * @returns Whether there is no failure any more.
   */
  async rollbackTo(savepoint: Savepoint): Promise<boolean> {
    const { before } = savepoint;
    await this.#settle(before.issued);
    const isOpen = savepoint.state === "open" && this.#server.isUsable;
    // The rollback of an outer one may have undone it meanwhile.
    if (this.#savepoints.pop(savepoint)) {
      this.hooks.undoSince(before.hooks);
      this.#owner.work.undo(before.work);
      savepoint.isUndone = true;
      if (isOpen) {
        const tell = this.#teller(savepoint, "rollback");
        this.#server.lead(savepoint.rollback, tell);
        this.#failure = undefined;
      }
    }
    return this.#failure === undefined;
  }

  /**
   * Commits. Open savepoints end with it on the server: the RELEASE that
   * SQLAlchemy sends for each would be a word for nothing.
   *
   * @throws {StateError} When its statements never reached the server.
   * @throws {DatabaseError} When the server refused; it has rolled back then.
   * @throws {CommitOutcomeError} When the answer was lost.
   */
  async commit(): Promise<void> {
    try {
      await this.#commit();
    } finally {
      this.#limits?.stop();
      // A savepoint may bring it back.
      this.#isWatched = false;
      this.#dispatcher.leaveReplica({ discard: false });
    }
  }

  async #commit(): Promise<void> {
    if (!this.#queue.isEmpty) this.#throwFailure(await this.#sendRest());
    const { server, neverBegun } = this.#dispatcher;
    const { isOpen } = server;
    const error = isOpen ? await server.commit(this.#terms) : neverBegun;
    // One that was kept for reads, or has just carried the last of them.
    if (!isOpen) server.giveBack({ discard: false });
    if (error) throw this.#fail(error);
  }

  /**
   * Sends what waits, and COMMIT with it where that can be: reads that are
   * transactions of their own have none, nor has autocommit.
   *
   * @returns Why it was not done, if it was not.
   */
  async #sendRest(): Promise<NullpoolError | undefined> {
    if (this.options.lostCommit !== "xid") {
      return await this.#dispatcher.sendLast() ?? this.#failure;
    }
    // Its id has to be known before COMMIT is sent.
    await this.#dispatcher.sendAll();
    return this.#failure;
  }

  /** Throws why what waited was not done, if it was not. */
  #throwFailure(error: NullpoolError | undefined): void {
    if (error) throw error;
    const { neverBegun } = this.#dispatcher;
    if (neverBegun) throw this.#fail(neverBegun);
    // A rollback came first.
    if (this.#rollingBack !== undefined) throw rolledBackError();
  }

  /**
   * Rolls back. It never rejects: statements not sent yet reject, sent ones
   * are awaited, and where ROLLBACK cannot be delivered the connection is
   * dropped, which has the same effect.
   *
   * @param options Why.
   */
  rollback(options: RollbackOptions = {}): Promise<void> {
    this.#rollingBack ??= this.#rollback(options);
    return this.#rollingBack;
  }

  /**
   * Fails it, whatever it does, and rolls it back on the server. A COMMIT that
   * has left is waited for: cut off, nobody would know what became of it.
   *
   * @param error Why.
   * @returns Whether it was failed.
   */
  interrupt(error: NullpoolError): boolean {
    if (this.#rollingBack !== undefined || this.#server.isCommitting) {
      return false;
    }
    this.#fail(error);
    this.#queue.reject(error);
    this.#dispatcher.cut(error);
    return true;
  }

  /** Throws the connection away: what runs on it fails. */
  invalidate(): void {
    this.#queue.reject(rolledBackError());
    // A request with COMMIT in it may have been done.
    if (!this.#server.isCommitting) this.#dispatcher.stopOpening();
    this.#server.giveBack({ discard: true });
    this.#dispatcher.leaveReplica({ discard: true });
  }

  async #rollback({ reason }: RollbackOptions): Promise<void> {
    this.#limits?.stop();
    await this.#settle();
    this.#dispatcher.leaveReplica({ discard: false });
    const { engine, work, holder: session } = this.#owner;
    await this.#server.rollback((duration) => {
      // To count changes, each entity is compared with its row.
      if (!engine.hears("rollback")) return;
      const changes = this.#writes + work.countPending();
      const isKnown = this.used || this.#server.isToldOf;
      if (!isKnown && changes === 0) return;
      engine.emit({
        type: "rollback",
        session,
        reason,
        changes,
        duration,
        isInDoubt: this.hooks.isInDoubt,
      });
    }, this.#terms);
  }

  #note(statement: Statement): void {
    if (statement.access === "write") this.#writes++;
    else this.#reads++;
    this.#isDoubtful ||= mayWrite(statement);
  }

  #watchLimits(): void {
    this.#isWatched = true;
    const { transactionTimeout = 0, signal } = this.#options;
    const signals = [signal, this.#owner.signal].filter((each) =>
      each !== undefined
    );
    if (transactionTimeout === 0 && signals.length === 0) {
      return this.#limits?.stop();
    }
    this.#limits ??= new Limits((error) => this.interrupt(error));
    this.#limits.watch({
      timeout: transactionTimeout,
      lateError: transactionTimeoutError,
      signals,
    });
  }

  /** Rejects what was not sent, and waits for what was. */
  async #settle(issuedBefore = 0): Promise<void> {
    const { queue, pumping } = this.#dispatcher;
    // Mostly nothing waits, and an error costs more than a read.
    if (!queue.isEmpty) queue.reject(rolledBackError(), issuedBefore);
    if (queue.isEmpty) this.#dispatcher.stopOpening();
    if (pumping === undefined) return;
    try {
      await orGivenUp(pumping, { timeout: ROLLBACK_DEADLINE });
    } catch {
      this.#server.giveBack({ discard: true });
      this.#dispatcher.leaveReplica({ discard: true });
      await pumping;
    }
  }

  /** The first failure stays the first. */
  #fail(error: NullpoolError): NullpoolError {
    this.#failure ??= error;
    // Here, as the flush that went with COMMIT fails ahead of it.
    this.hooks.isInDoubt ||= error instanceof CommitOutcomeError;
    this.#owner.onFailure();
    return error;
  }

  #teller(savepoint: Savepoint, action: SavepointEvent["action"]): Teller {
    const { name } = savepoint;
    const { engine, holder: session } = this.#owner;
    return (_, duration) =>
      engine.emit({ type: "savepoint", session, name, action, duration });
  }
}
