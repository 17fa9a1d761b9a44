import type { Result, Statement } from "../driver/statement.ts";
import {
  isAutocommit,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { NullpoolError } from "../errors/error.ts";
import {
  autocommitError,
  failedError,
  noConnectionError,
  rolledBackError,
  tokenError,
} from "./_refusals.ts";
import { runInTurn } from "./_run_in_turn.ts";
import { claimsRequiredError, tokenRequiredError } from "./claims.ts";
import type { CommitTerms } from "./_commit_proof.ts";
import type { ServerTransaction } from "./_server_transaction.ts";
import { countWrites } from "./session_stats.ts";
import type { BeginHook, Settings } from "./settings.ts";
import type { TransactionOwner } from "./transaction_owner.ts";

/** A transaction, as what sends its statements sees it. */
export interface DispatchParts {
  /** The session. */
  readonly owner: TransactionOwner;
  /** How it runs. */
  readonly options: () => TransactionOptions;
  /** What is known of it where it is to be committed. */
  readonly terms: () => CommitTerms;
  /** Takes in a statement that is sent without having been queued. */
  readonly note: (statement: Statement) => void;
  /** Counts a write that nobody has issued as one. */
  readonly noteWrite: () => void;
  /** Its first failure. */
  readonly failure: () => NullpoolError | undefined;
  /** Fails it; the first failure stays. */
  readonly fail: (error: NullpoolError) => NullpoolError;
  /** Whether a savepoint is open that a failure can be undone to. */
  readonly canRecover: () => boolean;
}

/**
 * What comes ahead of the statements of a transaction: the hook `afterBegin`,
 * settings, and the connection, where one is needed.
 */
export class Opening {
  readonly #parts: DispatchParts;
  readonly #server: ServerTransaction;
  #waiting: AbortController | undefined;
  #hasStarted = false;
  /** What the hook wants to be set. */
  #ofHook: Settings = {};

  /**
   * @param server Holds the connection.
   * @param parts The transaction.
   */
  constructor(server: ServerTransaction, parts: DispatchParts) {
    this.#server = server;
    this.#parts = parts;
  }

  /** What is set in every transaction on the server. */
  get settings(): Settings {
    const { engine, identity } = this.#parts.owner;
    return { ...engine.settings, ...identity, ...this.#ofHook };
  }

  /**
   * Gives up waiting for a connection, for the hook, or for a request.
   *
   * @param reason Why, where it was not a rollback.
   */
  stop(reason?: NullpoolError): void {
    // Mostly nothing waits, and an error costs more than a read.
    this.#waiting?.abort(reason ?? rolledBackError());
  }

  /**
   * Runs something that `stop()` ends.
   *
   * @param run What to run.
   * @throws {NullpoolError} When it was stopped.
   */
  async stoppable<T>(run: (abort: AbortController) => Promise<T>): Promise<T> {
    const abort = this.#waiting = new AbortController();
    try {
      return await run(abort);
    } catch (error) {
      throw abort.signal.aborted ? abort.signal.reason : error;
    } finally {
      this.#waiting = undefined;
    }
  }

  /**
   * Runs the hook, until it has run once without an error: nothing is sent
   * that it was to come ahead of. It may need the connection, or not.
   *
   * @throws What the hook throws.
   */
  async start(): Promise<void> {
    if (this.#hasStarted) return;
    const { authToken, identity, placeOf } = this.#parts.owner;
    if (identity === undefined) throw claimsRequiredError(placeOf("execute"));
    if (authToken === "") throw tokenRequiredError(placeOf("execute"));
    this.#check(this.settings);
    const { afterBegin } = this.#parts.owner;
    if (afterBegin !== undefined) {
      await this.stoppable(({ signal }) => this.#runHook(afterBegin, signal));
    }
    this.#hasStarted = true;
  }

  /**
   * Borrows the connection; BEGIN and the settings lead its first flight.
   *
   * @param reason Why one is needed.
   * @throws {StateError} When there can be none.
   * @throws {ConnectionError} When none could be opened.
   * @throws {PoolError} When the pool has none to lend.
   */
  async open(reason: string): Promise<void> {
    await this.stoppable(({ signal }) => this.#connect(reason, signal));
    this.#server.leadSettings(this.#ofHook);
  }

  /** A connection would speak for somebody else than the token does. */
  async #connect(reason: string, signal: AbortSignal): Promise<void> {
    const { owner: { engine, authToken, identity, placeOf } } = this.#parts;
    if (authToken !== undefined) throw tokenError(reason, placeOf("execute"));
    if (!engine.connects) throw noConnectionError(reason, placeOf("execute"));
    await this.#server.open(signal);
    this.#server.leadSettings({ ...engine.settings, ...identity });
  }

  /** A rollback does not wait for the hook, which may be waiting for it. */
  async #runHook(
    afterBegin: BeginHook,
    signal: AbortSignal,
  ): Promise<void> {
    const { failure } = this.#parts;
    const settings = await runInTurn(
      afterBegin,
      (statement) => this.#executeFirst(statement, signal),
      signal,
    );
    const failed = failure();
    if (failed) throw failedError("execute", failed);
    if (!settings) return;
    this.#check(settings);
    this.#ofHook = settings;
    if (this.#server.isOpen) this.#server.leadSettings(settings);
  }

  async #executeFirst(
    statement: Statement,
    signal: AbortSignal,
  ): Promise<Result> {
    const { failure, fail, note, options, owner } = this.#parts;
    signal.throwIfAborted();
    const failed = failure();
    if (failed) throw failedError("execute", failed);
    if (!this.#server.isOpen) {
      await this.#connect("the hook afterBegin runs a statement", signal);
    }
    note(statement);
    countWrites(owner.stats, [statement], options());
    const { results: [result], failure: refused } = await this.#server.send([{
      statement,
    }]);
    if (result !== undefined) return result;
    const error = refused ?? rolledBackError();
    throw signal.aborted ? error : fail(error);
  }

  /** They end with the transaction: without one they would never be there. */
  #check(settings: Settings): void {
    const isLost = isAutocommit(this.#parts.options()) &&
      Object.keys(settings).length > 0;
    if (isLost) throw autocommitError("set settings");
  }
}
