import { command, ownRows, type Statement } from "../driver/statement.ts";
import {
  beginStatement,
  commitNeedsAnswer,
  isAutocommit,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { Teller, WrappedFlight } from "../engine/flight.ts";
import type { Engine } from "../engine/engine.ts";
import { ConnectionError } from "../errors/connection_error.ts";
import type { NullpoolError } from "../errors/error.ts";
import { LogPosition, type LogPositionParts } from "./_log_position.ts";
import { type Borrower, LentConnection } from "./_lent_connection.ts";
import { LoneReads } from "./_lone_reads.ts";
import {
  type CommitEnd,
  CommitProof,
  type CommitTerms,
} from "./_commit_proof.ts";
import {
  ownFlight,
  settingsOf,
  type ToldStatement,
  untold,
} from "./_told_statement.ts";
import { sendWhole, type WholeOptions } from "./_whole_transaction.ts";

/** Milliseconds that the answer to ROLLBACK is awaited before the connection is dropped. */
export const ROLLBACK_DEADLINE = 5_000;

/** What a transaction on the server needs of its session. */
export interface ServerTransactionParts extends Borrower, LogPositionParts {
  /** Who asks, where there is no connection that says so. */
  readonly authToken?: string | undefined;
}

/**
 * A transaction as the server sees it: borrows the connection, sends BEGIN in
 * the first flight, gives the connection back at the end, exactly once. Reads
 * ahead of BEGIN share the connection.
 */
export class ServerTransaction {
  /** Whether somebody was told of a BEGIN, whatever became of it. */
  isToldOf = false;
  /** Reads ahead of it. */
  readonly reads: LoneReads;
  readonly #engine: Engine;
  readonly #parts: ServerTransactionParts;
  readonly #lent: LentConnection;
  readonly #optionsOf: () => TransactionOptions;
  readonly #proof: CommitProof;
  readonly #position: LogPosition;
  #lead: ToldStatement[] = [];
  /** Whether the connection is held for a transaction, and not just kept. */
  #isOpen = false;
  #hasBegun = false;
  #isCommitting = false;
  #returned: Promise<void> | undefined;

  /**
   * @param parts What it needs of its session.
   * @param options How it runs.
   */
  constructor(
    parts: ServerTransactionParts,
    options: () => TransactionOptions,
  ) {
    this.#engine = parts.engine;
    this.#parts = parts;
    this.#lent = new LentConnection(parts);
    this.reads = new LoneReads(parts, this.#lent);
    this.#optionsOf = options;
    this.#proof = new CommitProof(parts, options);
    this.#position = new LogPosition(parts);
  }

  get #options(): TransactionOptions {
    return this.#optionsOf();
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
    return this.#lent.isUsable;
  }

  /** Settles when the connection is back in the pool, or closed. */
  get returned(): Promise<void> {
    return this.#returned ?? this.#lent.released;
  }

  /**
   * Borrows a connection; BEGIN leads its first flight.
   *
   * @param signal Gives up waiting.
   * @throws {ConnectionError} When none could be opened.
   * @throws {PoolError} When the pool has none to lend.
   */
  async open(signal: AbortSignal): Promise<void> {
    const { engine, holder: session } = this.#parts;
    this.#lead = [];
    await this.#lent.borrow(signal);
    const options = this.#options;
    this.#isOpen = true;
    this.#hasBegun = isAutocommit(options);
    if (this.#hasBegun) return;
    this.lead(beginStatement(options), (_, duration) => {
      if (this.isToldOf) this.#tellNotBegun();
      this.isToldOf = true;
      engine.emit({ type: "begin", session, options, duration });
    });
  }

  /**
   * Commits a whole transaction as one flight, without a connection.
   *
   * @param statements What it does.
   * @param whole How it runs.
   * @param terms What is known of it.
   * @returns The results of the statements, and what went wrong.
   */
  async commitWhole(
    statements: readonly ToldStatement[],
    whole: WholeOptions,
    { hasWritten, asksPosition }: CommitTerms,
  ): Promise<CommitEnd> {
    this.#isCommitting = true;
    const ending = untold(this.#proof.beforeCommit(hasWritten));
    const flight = await sendWhole(
      [...statements, ...ending],
      whole,
      this.#parts,
    );
    const results = flight.results.slice(0, statements.length);
    const end = await this.#proof.endOf({ ...flight, results });
    if (end.error === undefined && asksPosition) {
      await this.#position.askAlone(whole);
    }
    return end;
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
    const asking = this.#isCommitting ? [] : this.#proof.behind();
    const { results, failure } = await this.#exchange([
      ...lead,
      ...statements,
      ...untold(asking),
    ]);
    this.#hasBegun ||= results.length >= lead.length;
    if (!this.#hasBegun) this.giveBack({ discard: true });
    const count = statements.length;
    if (asking.length > 0) {
      this.#proof.hear(ownRows(results[lead.length + count])[0]);
    }
    return ownFlight({ results, failure }, lead.length, count);
  }

  #exchange(
    all: readonly ToldStatement[],
    options = this.#options,
  ): Promise<WrappedFlight> {
    return this.#lent.exchange(all, options);
  }

  /**
   * Commits, and gives the connection back. Where COMMIT can only succeed its
   * answer is not waited for.
   *
   * @param terms What is known of it.
   * @returns What went wrong, if anything did.
   */
  async commit(terms: CommitTerms): Promise<NullpoolError | undefined> {
    if (isAutocommit(this.#options)) {
      // What is done is done: nobody fails it any more.
      this.#isCommitting = true;
      if (terms.asksPosition) await this.#position.ask(this.#lent);
      this.giveBack({ discard: !this.isUsable });
      return undefined;
    }
    const committing = this.#sendCommit(terms);
    if (commitNeedsAnswer(this.#options)) return await committing;
    this.#lent.expectRelease();
    this.#returned = committing.then(() => this.#lent.released);
    this.#engine.settle(this.#returned);
    return undefined;
  }

  async #sendCommit(terms: CommitTerms): Promise<NullpoolError | undefined> {
    return (await this.commitBehind([], terms)).error;
  }

  /**
   * Sends statements with COMMIT behind them, in one flight, and gives the
   * connection back unless one of them failed.
   *
   * @param statements What goes first.
   * @param terms What is known of it.
   * @returns Their results, and what went wrong with the commit, if anything
   * did. A statement that failed is the flight's failure.
   */
  async commitBehind(
    statements: readonly ToldStatement[],
    { hasWritten, asksPosition }: CommitTerms,
  ): Promise<CommitEnd> {
    this.#isCommitting = true;
    const start = performance.now();
    const ending = untold(this.#proof.beforeCommit(hasWritten));
    const asked = statements.filter(({ tell }) => tell === undefined).length;
    const count = statements.length + ending.length + 1;
    const sent = await this.send([
      ...statements,
      ...ending,
      {
        statement: command("commit"),
        tell: ({ command }, duration) => {
          if (command !== "ROLLBACK") this.#tellCommit(asked, duration);
        },
      },
      ...(asksPosition ? this.#position.behind() : []),
    ]);
    if (asksPosition) this.#position.hear(sent.results[count]);
    // Once COMMIT was answered nothing behind it matters.
    const flight = sent.results.length >= count
      ? { results: sent.results.slice(0, count) }
      : sent;
    const isReached = flight.results.length >= statements.length;
    // A connection that was lost has maybe carried COMMIT as well.
    const isLost = sent.failure instanceof ConnectionError;
    if (!isReached && !isLost) {
      this.#isCommitting = false;
      return { flight, error: undefined, isAnswerLost: false };
    }
    if (isLost) this.giveBack({ discard: true });
    const end = await this.#proof.endOf(flight);
    if (end.isAnswerLost) this.#tellCommit(asked, performance.now() - start);
    const isDone = end.error === undefined;
    const isMissed = isDone && isLost && asksPosition;
    if (isMissed) await this.#position.askAnew(this.#lent);
    this.giveBack({ discard: !isDone });
    return end;
  }

  /** BEGIN was answered, and what goes with it was not: settings, a role. */
  #tellNotBegun(): void {
    this.#parts.engine.emit({
      type: "rollback",
      session: this.#parts.holder,
      reason: undefined,
      changes: 0,
      duration: 0,
      isInDoubt: false,
    });
  }

  #tellCommit(statements: number, duration: number): void {
    const { holder: session } = this.#parts;
    this.#engine.emit({ type: "commit", session, statements, duration });
  }

  /**
   * Rolls back, and gives the connection back; one that cannot deliver
   * ROLLBACK is dropped, which has the same effect.
   *
   * @param tell Told when there is no transaction any more, and how many
   * milliseconds that took: 0 where nothing was sent.
   * @param terms What is known of it: in autocommit it has done its work.
   */
  async rollback(
    tell?: (duration: number) => void,
    terms?: CommitTerms,
  ): Promise<void> {
    this.#lead = [];
    const hasDone = isAutocommit(this.#options) && terms?.asksPosition;
    if (hasDone) await this.#position.ask(this.#lent);
    const start = performance.now();
    const isOver = !this.#hasBegun || isAutocommit(this.#options);
    const isSent = !isOver && this.isUsable;
    // Dropping the connection has the same effect, so nobody waits for long.
    const { statementTimeout = ROLLBACK_DEADLINE } = this.#options;
    const patience = Math.min(statementTimeout || Infinity, ROLLBACK_DEADLINE);
    const flight = isSent
      ? await this.#exchange(
        [{
          statement: command("rollback"),
          tell: (_, duration) => tell?.(duration),
        }],
        { statementTimeout: patience },
      )
      : undefined;
    const isAnswered = flight?.results.length === 1;
    if (!isAnswered) tell?.(isSent ? performance.now() - start : 0);
    this.giveBack({ discard: !isOver && !isAnswered });
  }

  /**
   * Ends it at once: what runs on its connection fails, and one on which
   * nothing runs is dropped.
   *
   * @param failure Why.
   */
  cut(failure: NullpoolError): void {
    if (!this.#lent.cut(failure)) this.giveBack({ discard: true });
  }

  /**
   * Gives the connection back; the second call does nothing more.
   *
   * @param options `discard` when its state is in doubt.
   */
  giveBack(options: { readonly discard: boolean }): void {
    this.#isOpen = false;
    this.#lent.giveBack(options);
  }
}
