import { Deadline } from "../driver/deadline.ts";
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
import { statementTimeoutError } from "./_interruptions.ts";
import { commitError } from "./_commit_error.ts";
import type { SessionStats } from "./session_stats.ts";
import type { Settings } from "./settings.ts";

/** Milliseconds that an answer is awaited where nothing else is said. */
const DEFAULT_STATEMENT_TIMEOUT = 30_000;

/** Milliseconds that the answer to ROLLBACK is awaited before the connection is dropped. */
export const ROLLBACK_DEADLINE = 5_000;

/** Of what only the session knows. */
function tellNobody(): void {}

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

/** How statements run in a transaction of their own. */
export interface WholeOptions {
  /** How it runs. */
  readonly options: TransactionOptions;
  /** What is set in it. */
  readonly settings: Settings;
  /** Gives up waiting. */
  readonly abort: AbortController;
  /** Who asks, where there is no connection. */
  readonly authToken?: string | undefined;
}

/**
 * A transaction as the server sees it: borrows the connection, sends BEGIN in
 * the first flight, gives the connection back at the end, exactly once. Before
 * that it may have sent reads in transactions of their own.
 */
export class ServerTransaction {
  readonly #engine: Engine;
  readonly #parts: ServerTransactionParts;
  #connection: EngineConnection | undefined;
  #lead: ToldStatement[] = [];
  #options: TransactionOptions = {};
  /** Whether the connection is held for a transaction, and not just kept. */
  #isOpen = false;
  #hasBegun = false;
  #isCommitting = false;
  #released: Promise<void> = Promise.resolve();
  #returned: Promise<void> | undefined;

  /** @param parts What it needs of its session. */
  constructor(parts: ServerTransactionParts) {
    this.#engine = parts.engine;
    this.#parts = parts;
  }

  /** Whether it holds a connection for its transaction. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether BEGIN was answered, or needs none. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Whether COMMIT has left. */
  get isCommitting(): boolean {
    return this.#isCommitting;
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
    const { engine } = this.#parts;
    await this.#borrow(signal);
    this.#isOpen = true;
    this.#options = options;
    this.#hasBegun = isAutocommit(options);
    if (this.#hasBegun) return;
    this.lead(
      beginStatement(options),
      () => engine.emit({ type: "begin", options }),
    );
    this.leadSettings(engine.settings);
  }

  /** The connection that is kept, or another one. */
  async #borrow(signal: AbortSignal): Promise<void> {
    const { engine, stats, holder } = this.#parts;
    if (this.isUsable) return;
    this.giveBack({ discard: true });
    this.#lead = [];
    const start = performance.now();
    try {
      this.#connection = await engine.connect({ signal, holder });
    } finally {
      stats.duration += performance.now() - start;
    }
    stats.connections++;
  }

  /**
   * Sends reads as a read-only transaction of their own, begun and ended in one
   * flight. Afterwards the connection is back in the pool, if that has a use for
   * it.
   *
   * @param statements What to read.
   * @param whole How they run.
   * @returns Their results, and whether BEGIN and the settings succeeded.
   * @throws {ConnectionError} When there is no connection.
   * @throws {PoolError} When the pool has none to lend.
   */
  async readAlone(
    statements: readonly ToldStatement[],
    whole: WholeOptions,
  ): Promise<{ flight: WrappedFlight; hasBegun: boolean }> {
    const { options, settings, abort } = whole;
    const readOnly = { ...options, readOnly: true };
    if (this.#engine.sendsTransactions) {
      const flight = await this.#sendWhole(statements, {
        ...whole,
        options: readOnly,
      });
      const hasBegun = !(flight.failure instanceof ConnectionError);
      return { flight, hasBegun };
    }
    const isKept = this.isUsable;
    await this.#borrow(abort.signal);
    const lead: ToldStatement[] = [
      { statement: beginStatement(readOnly), tell: tellNobody },
      ...settingsOf(settings),
    ];
    const end = { statement: command("commit"), tell: tellNobody };
    const { results, failure } = await this.#exchange([
      ...lead,
      ...statements,
      end,
    ], options);
    if (isKept && failure?.code === "CONNECTION_LOST") {
      // It broke while nobody used it; a read can be asked for again.
      this.giveBack({ discard: true });
      return await this.readAlone(statements, whole);
    }
    if (failure !== undefined && this.isUsable) {
      await this.#exchange([{
        statement: command("rollback"),
        tell: tellNobody,
      }], options);
    }
    if (this.#engine.reusesConnections) this.giveBack({ discard: false });
    return {
      hasBegun: results.length >= lead.length,
      flight: ownFlight({ results, failure }, lead.length, statements.length),
    };
  }

  /**
   * Commits a whole transaction as one flight, without a connection.
   *
   * @param statements What it does.
   * @param whole How it runs.
   * @returns The results of the statements.
   */
  async commitWhole(
    statements: readonly ToldStatement[],
    whole: WholeOptions,
  ): Promise<WrappedFlight> {
    this.#isCommitting = true;
    return await this.#sendWhole(statements, whole);
  }

  async #sendWhole(
    statements: readonly ToldStatement[],
    { options, settings, abort, authToken }: WholeOptions,
  ): Promise<WrappedFlight> {
    const { stats } = this.#parts;
    const lead = settingsOf(settings);
    const all = [...lead, ...statements];
    const start = performance.now();
    const deadline = answerDeadline(options, (error) => abort.abort(error));
    const { results, failure, failedAt } = await this.#engine.sendTransaction(
      all.map(({ statement }) => statement),
      { ...options, signal: abort.signal, authToken },
      all.map(({ tell }) => tell),
    );
    deadline.clear();
    stats.roundTrips++;
    stats.requests++;
    stats.duration += performance.now() - start;
    if (failure === undefined) return { results: results.slice(lead.length) };
    const at = failedAt === undefined ? undefined : failedAt - lead.length;
    return { results: [], failure, failedAt: at };
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
    this.#lead.push(...settingsOf(settings));
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
    const lead = this.#lead;
    this.#lead = [];
    const { results, failure } = await this.#exchange([...lead, ...statements]);
    this.#hasBegun ||= results.length >= lead.length;
    if (!this.#hasBegun) this.giveBack({ discard: true });
    return ownFlight({ results, failure }, lead.length);
  }

  async #exchange(
    all: readonly ToldStatement[],
    options = this.#options,
  ): Promise<WrappedFlight> {
    const connection = this.#connection;
    if (connection === undefined) throw new TypeError("Nothing is open");
    const { stats } = this.#parts;
    const start = performance.now();
    const deadline = answerDeadline(options, (error) => connection.cut(error));
    const flight = await connection.send(
      all.map(({ statement }) => statement),
      {
        tellers: all.map(({ tell }) => tell),
        onProgress: () => deadline.heard(),
      },
    );
    deadline.clear();
    stats.roundTrips++;
    stats.duration += performance.now() - start;
    return flight;
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
    this.#isCommitting = true;
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
    // Dropping the connection has the same effect, so nobody waits for long.
    const { statementTimeout = ROLLBACK_DEADLINE } = this.#options;
    const patience = Math.min(statementTimeout || Infinity, ROLLBACK_DEADLINE);
    const flight = isSent
      ? await this.#exchange(
        [{ statement: command("rollback"), tell }],
        { statementTimeout: patience },
      )
      : undefined;
    const isAnswered = flight?.results.length === 1;
    if (!isAnswered) tell();
    this.giveBack({ discard: !isOver && !isAnswered });
  }

  /**
   * Ends it at once: what runs on its connection fails, and one on which
   * nothing runs is dropped.
   *
   * @param failure Why.
   */
  cut(failure: NullpoolError): void {
    const isRunning = this.#connection?.cut(failure);
    if (isRunning === false) this.giveBack({ discard: true });
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
    this.#isOpen = false;
    const before = this.#released;
    this.#released = connection.release(options).then(() => before);
  }
}

/** Calls back with the error of a statement that is not answered in time. */
function answerDeadline(
  options: TransactionOptions,
  onLate: (error: NullpoolError) => void,
): Deadline {
  const usual = isAutocommit(options) ? 0 : DEFAULT_STATEMENT_TIMEOUT;
  const { statementTimeout = usual } = options;
  return new Deadline(
    statementTimeout,
    () => onLate(statementTimeoutError(statementTimeout)),
  );
}

function settingsOf(settings: Settings): ToldStatement[] {
  if (Object.keys(settings).length === 0) return [];
  return [{ statement: settingsStatement(settings) }];
}

/** What of a flight is the answer to statements behind those that led it. */
function ownFlight(
  { results, failure }: Pick<WrappedFlight, "results" | "failure">,
  lead: number,
  count = Infinity,
): WrappedFlight {
  const own = results.slice(lead, lead + count);
  return failure === undefined
    ? { results: own }
    : { results: own, failure, failedAt: own.length };
}
