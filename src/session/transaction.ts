import { command, type Result, type Statement } from "../driver/statement.ts";
import {
  beginStatements,
  endsTransaction,
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
import type { PoolHolder } from "../pool/pool_holder.ts";
import {
  failedError,
  neverBegunError,
  rawControlError,
  rolledBackError,
} from "./_refusals.ts";
import { type Batch, StatementQueue } from "./_statement_queue.ts";
import { Savepoint } from "./savepoint.ts";
import type { SessionStats } from "./session_stats.ts";

/** Milliseconds that a rollback waits for a running flight before it drops the connection. */
const ROLLBACK_DEADLINE = 5_000;

/** Runs when a transaction has ended. */
export type Hook = () => unknown;

/** Why a transaction was rolled back. */
export interface RollbackOptions {
  /** Told in the event, such as `response status 404`. */
  readonly reason?: string | undefined;
}

/** What a transaction needs of its session. */
export interface TransactionOwner {
  /** Counted on. */
  readonly stats: SessionStats;
  /** Whom the pool lends to. */
  readonly holder: PoolHolder;
  /** Told that it can only be rolled back from now on, at least in part. */
  onFailure(): void;
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
  readonly #owner: TransactionOwner;
  readonly #queue = new StatementQueue();
  readonly #savepoints: Savepoint[] = [];
  readonly #afterCommit: Hook[] = [];
  #savepointCount = 0;
  #connection: EngineConnection | undefined;
  #lead: Statement[] = [];
  #connecting: AbortController | undefined;
  #pumping: Promise<void> | undefined;
  #rollingBack: Promise<void> | undefined;
  #failure: NullpoolError | undefined;
  /** Why there is no transaction although statements were issued. */
  #neverBegun: unknown;
  #writes = 0;
  #reads = 0;
  #returned: Promise<void> = Promise.resolve();

  /**
   * @param engine Lends the connection.
   * @param options How it runs.
   * @param owner The session.
   */
  constructor(
    engine: Engine,
    options: TransactionOptions,
    owner: TransactionOwner,
  ) {
    this.#engine = engine;
    this.options = options;
    this.#owner = owner;
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
    if (this.#rollingBack !== undefined) {
      return Promise.reject(rolledBackError());
    }
    if (endsTransaction(statement.text)) {
      return Promise.reject(rawControlError());
    }
    if (statement.access === "write") this.#writes++;
    else this.#reads++;
    for (const savepoint of this.#savepoints) {
      if (savepoint.state === "unsent") this.#queue.addSavepoint(savepoint);
    }
    const answer = this.#queue.add(statement);
    this.#pumping ??= this.#pump();
    return answer;
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
      this.#queue.issued,
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
   * @returns Whether there is no failure any more.
   */
  async rollbackTo(savepoint: Savepoint): Promise<boolean> {
    await this.#settle(savepoint.issuedBefore);
    const isOpen = savepoint.state === "open" && this.#connection?.usable;
    // The rollback of an outer one may have undone it meanwhile.
    if (this.#pop(savepoint)) {
      this.#afterCommit.length = savepoint.hooksBefore;
      if (isOpen) {
        this.#lead.push(savepoint.rollback);
        this.#failure = undefined;
      }
    }
    return this.#failure === undefined;
  }

  /**
   * Commits.
   *
   * @throws {StateError} When its statements never reached the server.
   * @throws {DatabaseError} When the server refused; it has rolled back then.
   * @throws {CommitOutcomeError} When the answer was lost.
   */
  async commit(): Promise<void> {
    if (this.#connection !== undefined) await this.#commit(this.#connection);
    else if (this.#neverBegun !== undefined) {
      throw this.#fail(neverBegunError(this.#neverBegun));
    }
  }

  /**
   * Runs what waited for the commit. It is no part of it: a hook may use the
   * session, or close it.
   */
  async runHooks(): Promise<void> {
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
    this.#giveBack({ discard: error !== undefined });
    if (error !== undefined) throw this.#fail(error);
    this.#engine.emit({ type: "commit" });
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

  #pop(savepoint: Savepoint): boolean {
    const at = this.#savepoints.indexOf(savepoint);
    if (at >= 0) this.#savepoints.length = at;
    return at >= 0;
  }

  /** Rejects what was not sent, and waits for what was. */
  async #settle(issuedBefore = 0): Promise<void> {
    this.#queue.reject(rolledBackError(), issuedBefore);
    if (this.#queue.isEmpty) this.#connecting?.abort();
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
    while (!this.#queue.isEmpty) await this.#flight();
    this.#pumping = undefined;
  }

  async #flight(): Promise<void> {
    let connection: EngineConnection;
    const starting = this.#connection === undefined;
    try {
      connection = this.#connection ?? await this.#connect();
    } catch (error) {
      // Nothing has begun: the session stays usable.
      if (!this.#queue.isEmpty) this.#neverBegun = error;
      this.#queue.reject(error);
      return;
    }
    if (this.#queue.isEmpty) {
      // Rolled back while connecting: nothing is sent any more.
      this.#giveBack({ discard: false });
      return;
    }
    const batch = this.#queue.take();
    const lead = this.#takeLead();
    this.#owner.stats.statements += batch.statements.length;
    const flight = await this.#send(connection, [...lead, ...batch.statements]);
    const begun = flight.results.length >= lead.length;
    if (starting && begun) {
      this.#neverBegun = undefined;
      this.#engine.emit({ type: "begin", options: this.options });
    }
    if (flight.failure !== undefined && starting && !begun) {
      // BEGIN itself failed, so there is no transaction that could be failed.
      this.#giveBack({ discard: true });
      this.#neverBegun = flight.failure;
      batch.reject(flight.failure);
      this.#queue.reject(flight.failure);
    } else {
      this.#answer(batch, flight, lead.length);
    }
  }

  #answer(batch: Batch, flight: WrappedFlight, offset: number): void {
    batch.settle(flight, offset);
    if (flight.failure === undefined) return;
    this.#fail(flight.failure);
    // Nothing can be done on a broken connection: its slot is free at once.
    if (!this.#connection?.usable) this.#giveBack({ discard: true });
    this.#queue.reject(failedError("execute", flight.failure));
  }

  /** The first failure stays the first. */
  #fail(error: NullpoolError): NullpoolError {
    this.#failure ??= error;
    this.#owner.onFailure();
    return error;
  }

  async #connect(): Promise<EngineConnection> {
    const start = performance.now();
    this.#connecting = new AbortController();
    const { signal } = this.#connecting;
    try {
      const connection = await this.#engine.connect({
        signal,
        holder: this.#owner.holder,
      });
      this.#connection = connection;
      this.#owner.stats.connections++;
      this.#lead = beginStatements(this.options, this.#engine.settings);
      return connection;
    } finally {
      this.#connecting = undefined;
      this.#owner.stats.duration += performance.now() - start;
    }
  }

  async #send(
    connection: EngineConnection,
    statements: readonly Statement[],
  ): Promise<WrappedFlight> {
    const start = performance.now();
    const flight = await connection.send(statements);
    this.#owner.stats.roundTrips++;
    this.#owner.stats.duration += performance.now() - start;
    return flight;
  }

  #takeLead(): Statement[] {
    const lead = this.#lead;
    this.#lead = [];
    return lead;
  }

  #giveBack(options: { readonly discard: boolean }): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    this.#returned = connection.release(options);
  }
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
