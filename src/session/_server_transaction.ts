import { command, type Statement } from "../driver/statement.ts";
import {
  beginStatement,
  commitNeedsAnswer,
  isAutocommit,
  settingsStatement,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type {
  EngineConnection,
  Teller,
  WrappedFlight,
} from "../engine/engine_connection.ts";
import type { Engine } from "../engine/engine.ts";
import { ConnectionError } from "../errors/connection_error.ts";
import type { NullpoolError } from "../errors/error.ts";
import type { PoolHolder } from "../pool/pool_holder.ts";
import { commitError } from "./_commit_error.ts";
import type { SessionStats } from "./session_stats.ts";

/** What a transaction on the server needs of its session. */
export interface ServerTransactionParts {
  /** Lends the connection. */
  readonly engine: Engine;
  /** Counted on. */
  readonly stats: SessionStats;
  /** Whom the pool lends to. */
  readonly holder: PoolHolder;
}

/** A statement, and what its answer means where it is one of ours. */
export interface ToldStatement {
  /** What to send. */
  readonly statement: Statement;
  /** Told in place of the `statement` event. */
  readonly tell?: Teller | undefined;
}

/**
 * A transaction as the server sees it: borrows the connection, sends BEGIN in
 * the first flight, gives the connection back at the end, exactly once.
 */
export class ServerTransaction {
  readonly #engine: Engine;
  readonly #parts: ServerTransactionParts;
  #connection: EngineConnection | undefined;
  #lead: ToldStatement[] = [];
  #options: TransactionOptions = {};
  #hasBegun = false;
  #released: Promise<void> = Promise.resolve();
  #returned: Promise<void> | undefined;

  /** @param parts What it needs of its session. */
  constructor(parts: ServerTransactionParts) {
    this.#engine = parts.engine;
    this.#parts = parts;
  }

  /** Whether it holds a connection. */
  get isOpen(): boolean {
    return this.#connection !== undefined;
  }

  /** Whether BEGIN was answered, or needs none. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Whether its connection can carry another flight. */
  get isUsable(): boolean {
    return this.#connection?.usable ?? false;
  }

  /** Settles when the connection is back in the pool, or closed. */
  get returned(): Promise<void> {
    return this.#returned ?? this.#released;
  }

  /**
   * Borrows a connection; BEGIN leads its first flight.
   *
   * @param options How the transaction runs.
   * @param signal Gives up waiting.
   * @throws {ConnectionError} When none could be opened.
   * @throws {PoolError} When the pool has none to lend.
   */
  async open(options: TransactionOptions, signal: AbortSignal): Promise<void> {
    const { engine, stats, holder } = this.#parts;
    const start = performance.now();
    try {
      this.#connection = await engine.connect({ signal, holder });
    } finally {
      stats.duration += performance.now() - start;
    }
    stats.connections++;
    this.#lead = [];
    this.#options = options;
    this.#hasBegun = isAutocommit(options);
    if (this.#hasBegun) return;
    this.lead(
      beginStatement(options),
      () => engine.emit({ type: "begin", options }),
    );
    this.leadSettings(engine.settings);
  }

  /**
   * Puts a statement of ours at the head of the next flight.
   *
   * @param statement What to send.
   * @param tell Told when the server has done it.
   */
  lead(statement: Statement, tell?: Teller): void {
    this.#lead.push({ statement, tell });
  }

  /** Puts settings local to the transaction there. */
  leadSettings(settings: Readonly<Record<string, string>>): void {
    if (Object.keys(settings).length > 0) {
      this.lead(settingsStatement(settings));
    }
  }

  /**
   * Sends statements as one flight, behind what leads it. A BEGIN that fails
   * gives the connection back: there is no transaction then.
   *
   * @param statements What to send.
   * @returns Their own results; the failure is that of statement number
   * `results.length`, or of what led the flight.
   */
  async send(statements: readonly ToldStatement[]): Promise<WrappedFlight> {
    const connection = this.#connection;
    if (connection === undefined) throw new TypeError("Nothing is open");
    const { stats } = this.#parts;
    const lead = this.#lead;
    this.#lead = [];
    const all = [...lead, ...statements];
    const start = performance.now();
    const { results, failure } = await connection.send(
      all.map(({ statement }) => statement),
      all.map(({ tell }) => tell),
    );
    stats.roundTrips++;
    stats.duration += performance.now() - start;
    this.#hasBegun ||= results.length >= lead.length;
    if (!this.#hasBegun) this.giveBack({ discard: true });
    return {
      results: results.slice(lead.length),
      ...(failure !== undefined && { failure }),
    };
  }

  /**
   * Commits, and gives the connection back. Where COMMIT can only succeed its
   * answer is not waited for.
   *
   * @returns What went wrong, if anything did.
   */
  async commit(): Promise<NullpoolError | undefined> {
    if (isAutocommit(this.#options)) {
      this.giveBack({ discard: !this.isUsable });
      return undefined;
    }
    const committing = this.#sendCommit();
    if (commitNeedsAnswer(this.#options)) return await committing;
    this.#connection?.expectRelease();
    this.#returned = committing.then(() => this.#released);
    this.#engine.settle(this.#returned);
    return undefined;
  }

  async #sendCommit(): Promise<NullpoolError | undefined> {
    return (await this.commitBehind([])).error;
  }

  /**
   * Sends statements with COMMIT behind them, in one flight, and gives the
   * connection back unless one of them failed.
   *
   * @param statements What goes first.
   * @returns Their results, and what went wrong with the commit, if anything
   * did. A statement that failed is the flight's failure.
   */
  async commitBehind(
    statements: readonly ToldStatement[],
  ): Promise<{ flight: WrappedFlight; error: NullpoolError | undefined }> {
    const flight = await this.send([...statements, {
      statement: command("commit"),
      tell: ({ command }) => {
        if (command !== "ROLLBACK") this.#engine.emit({ type: "commit" });
      },
    }]);
    const isReached = flight.results.length >= statements.length;
    // A connection that was lost has maybe carried COMMIT as well.
    const isLost = flight.failure instanceof ConnectionError;
    if (!isReached && !isLost) return { flight, error: undefined };
    const error = commitError(flight);
    this.giveBack({ discard: error !== undefined });
    return { flight, error };
  }

  /**
   * Rolls back, and gives the connection back; one that cannot deliver
   * ROLLBACK is dropped, which has the same effect.
   *
   * @param tell Told when there is no transaction any more.
   */
  async rollback(tell = () => {}): Promise<void> {
    this.#lead = [];
    const isOver = !this.#hasBegun || isAutocommit(this.#options);
    const isSent = !isOver && this.isUsable;
    const flight = isSent
      ? await this.send([{ statement: command("rollback"), tell }])
      : undefined;
    const isAnswered = flight?.results.length === 1;
    if (!isAnswered) tell();
    this.giveBack({ discard: !isOver && !isAnswered });
  }

  /**
   * Gives the connection back; the second call does nothing more.
   *
   * @param options `discard` when its state is in doubt.
   */
  giveBack(options: { readonly discard: boolean }): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    this.#released = connection.release(options);
  }
}
