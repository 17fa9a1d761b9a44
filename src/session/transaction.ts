import { command, type Result, type Statement } from "../driver/statement.ts";
import {
  beginStatements,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type {
  EngineConnection,
  WrappedFlight,
} from "../engine/engine_connection.ts";
import type { Engine } from "../engine/engine.ts";
import {
  CommitOutcomeError,
  ConnectionError,
} from "../errors/connection_error.ts";
import { DatabaseError } from "../errors/database_error.ts";
import type { NullpoolError } from "../errors/error.ts";
import { StateError } from "../errors/state_error.ts";
import type { PoolHolder } from "../pool/pool_holder.ts";
import { Savepoint } from "./savepoint.ts";
import type { SessionStats } from "./session_stats.ts";

/** Milliseconds that a rollback waits for a running flight before it drops the connection. */
const ROLLBACK_DEADLINE = 5_000;

/** A statement that waits to be sent, or a savepoint that leads one. */
interface Pending {
  readonly statement: Statement;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Runs when a transaction has ended. */
export type Hook = () => unknown;

/** Why a transaction was rolled back. */
export interface RollbackOptions {
  /** Told in the event, such as `response status 404`. */
  readonly reason?: string | undefined;
}

/**
 * A root transaction on the wire: borrows the connection at the first
 * statement, sends BEGIN in the same flight, gives the connection back at the
 * end.
 *
 * Statements issued in the same turn travel in one flight, in order. The first
 * failure fails the transaction: PostgreSQL would answer everything behind it
 * with 25P02, and COMMIT with a ROLLBACK that looks like success.
 */
export class Transaction {
  /** How it runs. */
  options: TransactionOptions;
  /** Whether `begin()` was called, and not only a statement issued. */
  explicit = false;

  readonly #engine: Engine;
  readonly #stats: SessionStats;
  readonly #holder: PoolHolder;
  readonly #queue: Pending[] = [];
  readonly #savepoints: Savepoint[] = [];
  readonly #afterCommit: Hook[] = [];
  #savepointCount = 0;
  #connection: EngineConnection | undefined;
  #lead: Statement[] = [];
  #connecting: AbortController | undefined;
  #pumping: Promise<void> | undefined;
  #rollingBack: Promise<void> | undefined;
  #failure: NullpoolError | undefined;
  #writes = 0;
  #reads = 0;
  #returned: Promise<void> = Promise.resolve();

  /**
   * @param engine Lends the connection.
   * @param options How it runs.
   * @param session Its stats, which are counted on, and itself, which the pool
   * lends to.
   */
  constructor(
    engine: Engine,
    options: TransactionOptions,
    session: { readonly stats: SessionStats; readonly holder: PoolHolder },
  ) {
    this.#engine = engine;
    this.options = options;
    this.#stats = session.stats;
    this.#holder = session.holder;
  }

  /** The first failure, until a rollback. */
  get failure(): NullpoolError | undefined {
    return this.#failure;
  }

  /** Whether a statement was issued and not answered yet. */
  get busy(): boolean {
    return this.#pumping !== undefined;
  }

  /** Statements that may have written. */
  get writes(): number {
    return this.#writes;
  }

  /** Whether any statement was issued, so that the options are settled. */
  get used(): boolean {
    return this.#writes + this.#reads > 0;
  }

  /** Settles when the connection is back in the pool, or closed. */
  get returned(): Promise<void> {
    return this.#returned;
  }

  /**
   * Queues a statement; it goes out with the others of this turn.
   *
   * @param statement What to run.
   * @returns Its result.
   */
  execute(statement: Statement): Promise<Result> {
    if (this.#rollingBack !== undefined) return Promise.reject(rolledBack());
    if (statement.access === "write") this.#writes++;
    else this.#reads++;
    return new Promise((resolve, reject) => {
      for (const savepoint of this.#savepoints) {
        if (savepoint.state === "unsent") this.#open(savepoint);
      }
      this.#queue.push({ statement, resolve, reject });
      this.#pumping ??= this.#pump();
    });
  }

  /**
   * Registers what is to run after the commit, when the connection is given
   * back. A rollback, also of the savepoint that is open now, drops it.
   *
   * @param hook Runs; what it throws is told as a `listenerError`.
   */
  afterCommit(hook: Hook): void {
    this.#afterCommit.push(hook);
  }

  /** Opens a savepoint; nothing is sent before a statement needs it. */
  pushSavepoint(): Savepoint {
    const savepoint = new Savepoint(
      ++this.#savepointCount,
      this.#afterCommit.length,
    );
    this.#savepoints.push(savepoint);
    return savepoint;
  }

  /**
   * Keeps the work of a savepoint and of those inside it. RELEASE leads the
   * next flight: nobody has to wait for it.
   *
   * @param savepoint An open one.
   */
  release(savepoint: Savepoint): void {
    this.#pop(savepoint);
    if (savepoint.state === "open") this.#lead.push(savepoint.release);
  }

  /**
   * Undoes the work of a savepoint and of those inside it. A failure inside it
   * is over then; the loss of the connection is not.
   *
   * @param savepoint An open one.
   */
  async rollbackTo(savepoint: Savepoint): Promise<void> {
    await this.#settle();
    this.#pop(savepoint);
    this.#afterCommit.length = savepoint.hooksBefore;
    if (savepoint.state !== "open" || !this.#connection?.usable) return;
    this.#lead.push(savepoint.rollback);
    this.#failure = undefined;
  }

  /**
   * Commits.
   *
   * @throws {DatabaseError} When the server refused; it has rolled back then.
   * @throws {CommitOutcomeError} When the answer was lost.
   */
  async commit(): Promise<void> {
    if (this.#connection !== undefined) await this.#commit(this.#connection);
    for (const hook of this.#afterCommit) {
      try {
        await hook();
      } catch (error) {
        // The commit stands, whatever comes after it.
        this.#engine.emit({ type: "listenerError", error });
      }
    }
  }

  async #commit(connection: EngineConnection): Promise<void> {
    const statements = [...this.#takeLead(), command("commit")];
    const flight = await this.#send(connection, statements);
    const error = commitError(flight);
    this.#failure = error;
    if (error === undefined) this.#engine.emit({ type: "commit" });
    this.#giveBack({ discard: error !== undefined });
    if (error !== undefined) throw error;
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

  async #rollback({ reason }: RollbackOptions): Promise<void> {
    await this.#settle();
    const connection = this.#connection;
    if (connection !== undefined) {
      const flight = connection.usable
        ? await this.#send(connection, [command("rollback")])
        : undefined;
      this.#giveBack({ discard: flight?.results.length !== 1 });
    }
    if (this.used) {
      this.#engine.emit({
        type: "rollback",
        reason,
        changes: this.#writes,
      });
    }
  }

  #open(savepoint: Savepoint): void {
    savepoint.state = "queued";
    this.#queue.push({
      statement: savepoint.begin,
      resolve: () => savepoint.state = "open",
      reject: () => savepoint.state = "unsent",
    });
  }

  #pop(savepoint: Savepoint): void {
    const at = this.#savepoints.indexOf(savepoint);
    if (at >= 0) this.#savepoints.length = at;
  }

  /** Rejects what was not sent, and waits for what was. */
  async #settle(): Promise<void> {
    this.#rejectQueue(rolledBack());
    this.#connecting?.abort();
    if (this.#pumping === undefined) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), ROLLBACK_DEADLINE);
    });
    const pumping = this.#pumping;
    const outcome = await Promise.race([pumping, deadline]);
    clearTimeout(timer);
    if (outcome !== "late") return;
    this.#giveBack({ discard: true });
    await pumping;
  }

  async #pump(): Promise<void> {
    // One turn later, so that statements issued together travel together.
    await null;
    while (this.#queue.length > 0) await this.#flight();
    this.#pumping = undefined;
  }

  async #flight(): Promise<void> {
    let connection: EngineConnection;
    const starting = this.#connection === undefined;
    try {
      connection = this.#connection ?? await this.#connect();
    } catch (error) {
      // Nothing has begun: the session stays usable.
      this.#rejectQueue(error);
      return;
    }
    const batch = this.#queue.splice(0);
    if (batch.length === 0) {
      // Rolled back while connecting: nothing is sent any more.
      this.#giveBack({ discard: false });
      return;
    }
    const lead = this.#takeLead();
    const statements = batch.map((pending) => pending.statement);
    this.#stats.statements += statements.length;
    const flight = await this.#send(connection, [...lead, ...statements]);
    const begun = flight.results.length >= lead.length;
    if (starting && begun) {
      this.#engine.emit({ type: "begin", options: this.options });
    }
    if (flight.failure !== undefined && starting && !begun) {
      // BEGIN itself failed, so there is no transaction that could be failed.
      this.#giveBack({ discard: true });
      for (const { reject } of batch) reject(flight.failure);
      this.#rejectQueue(flight.failure);
    } else {
      this.#settleBatch(batch, flight, lead.length);
    }
  }

  #settleBatch(
    batch: readonly Pending[],
    flight: WrappedFlight,
    leadLength: number,
  ): void {
    for (const [index, { resolve, reject }] of batch.entries()) {
      const position = leadLength + index;
      const result = flight.results[position];
      if (result !== undefined) resolve(result);
      else if (position === flight.results.length) reject(flight.failure);
      else reject(this.#skipped(flight.failure));
    }
    if (flight.failure === undefined) return;
    this.#failure ??= flight.failure;
    // Nothing can be done on a broken connection: its slot is free at once.
    if (!this.#connection?.usable) this.#giveBack({ discard: true });
    this.#rejectQueue(this.#skipped(flight.failure));
  }

  #skipped(cause: NullpoolError | undefined): StateError {
    return new StateError(
      "TRANSACTION_FAILED",
      "Cannot execute: an earlier statement of this transaction failed; call rollback() first",
      { cause },
    );
  }

  async #connect(): Promise<EngineConnection> {
    const start = performance.now();
    this.#connecting = new AbortController();
    const { signal } = this.#connecting;
    try {
      const connection = await this.#engine.connect({
        signal,
        holder: this.#holder,
      });
      this.#connection = connection;
      this.#stats.connections++;
      this.#lead = beginStatements(this.options, this.#engine.settings);
      return connection;
    } finally {
      this.#connecting = undefined;
      this.#stats.duration += performance.now() - start;
    }
  }

  async #send(
    connection: EngineConnection,
    statements: readonly Statement[],
  ): Promise<WrappedFlight> {
    const start = performance.now();
    const flight = await connection.send(statements);
    this.#stats.roundTrips++;
    this.#stats.duration += performance.now() - start;
    return flight;
  }

  #takeLead(): Statement[] {
    const lead = this.#lead;
    this.#lead = [];
    return lead;
  }

  #rejectQueue(error: unknown): void {
    for (const { reject } of this.#queue.splice(0)) reject(error);
  }

  #giveBack(options: { readonly discard: boolean }): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    this.#returned = connection.release(options);
  }
}

function rolledBack(): StateError {
  return new StateError(
    "TRANSACTION_ENDED",
    "Cannot execute: the transaction was rolled back before the statement was sent",
  );
}

/** Why a COMMIT did not commit, if it did not. */
function commitError(flight: WrappedFlight): NullpoolError | undefined {
  const { failure } = flight;
  if (failure instanceof ConnectionError) {
    return new CommitOutcomeError(
      `The answer to COMMIT was lost: ${failure.message}`,
      { cause: failure },
    );
  }
  if (failure !== undefined) return failure;
  if (flight.results.at(-1)?.command !== "ROLLBACK") return undefined;
  return new DatabaseError(
    "COMMIT_ROLLED_BACK",
    "Cannot commit: the server answered COMMIT with ROLLBACK; nothing was saved",
    { sqlstate: "25P02" },
  );
}
