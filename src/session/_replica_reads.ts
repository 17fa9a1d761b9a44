import { command, type Statement } from "../driver/statement.ts";
import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { WrappedFlight } from "../engine/flight.ts";
import type { NullpoolError } from "../errors/error.ts";
import { LentConnection } from "./_lent_connection.ts";
import { LoneReads } from "./_lone_reads.ts";
import type { Batch } from "./_statement_queue.ts";
import type { WholeOptions } from "./_whole_transaction.ts";
import type { TransactionOwner } from "./transaction_owner.ts";

/**
 * Reads of a transaction that a replica answers, as long as nobody can miss
 * what its session has written: whatever fails there is asked of the primary.
 */
export class ReplicaReads {
  readonly #owner: TransactionOwner;
  readonly #options: () => TransactionOptions;
  readonly #engine: Engine;
  readonly #lent: LentConnection;
  readonly #reads: LoneReads;
  #hasFailed = false;

  /**
   * @param owner The session.
   * @param options How its transaction runs.
   * @param engine The replica's.
   */
  constructor(
    owner: TransactionOwner,
    options: () => TransactionOptions,
    engine: Engine,
  ) {
    this.#owner = owner;
    this.#options = options;
    this.#engine = engine;
    const borrower = { ...owner, engine };
    this.#lent = new LentConnection(borrower);
    this.#reads = new LoneReads(borrower, this.#lent);
  }

  /** Settles when its connection is back in the pool, or closed. */
  get returned(): Promise<void> {
    return this.#lent.released;
  }

  /**
   * Whether it may answer reads now.
   *
   * @param batch They.
   * @param whole How they would run.
   */
  mayAnswer({ statements }: Batch, whole: WholeOptions): boolean {
    const { stats, work } = this.#owner;
    const hasWritten = stats.writes > 0 || stats.commits > 0;
    const isLate = this.#hasFailed || hasWritten ||
      this.#options().readOnly === false || work.countPending() > 0;
    if (isLate || !statements.every(({ statement }) => statement.mayLag)) {
      return false;
    }
    // What is cached is known by its text and parameters alone.
    const isPlain = Object.keys(whole.settings).length === 0 &&
      whole.authToken === undefined &&
      this.#owner.bookmark?.position === undefined;
    return isPlain || !this.#engine.isCache;
  }

  /**
   * Asks it.
   *
   * @param batch What to read.
   * @param whole How it runs.
   * @returns The answer; nothing where the primary has to be asked.
   */
  async read(
    { statements }: Batch,
    whole: WholeOptions,
  ): Promise<WrappedFlight | undefined> {
    const bookmark = this.#owner.bookmark?.position;
    const lead = bookmark === undefined ? [] : [checkReplayed(bookmark)];
    const { signal } = whole.abort;
    // One of its own: a request that takes too long here is given up with it,
    // and the primary has to be asked all the same.
    const abort = new AbortController();
    const stop = () => abort.abort(signal.reason);
    signal.addEventListener("abort", stop);
    try {
      const own = { ...whole, lead, abort };
      const flight = this.#engine.isCache
        ? await this.#reads.bare(statements, own)
        : (await this.#reads.inTransaction(statements, own)).flight;
      if (flight.failure === undefined) return flight;
    } catch {
      // It has no connection to lend.
    } finally {
      signal.removeEventListener("abort", stop);
    }
    this.#hasFailed = true;
    this.giveBack({ discard: false });
    return undefined;
  }

  /** Gives its connection back; `discard` ends what runs on it. */
  giveBack(options: { readonly discard: boolean }): void {
    this.#lent.giveBack(options);
  }

  /** Ends at once what it runs. */
  cut(failure: NullpoolError): void {
    if (!this.#lent.cut(failure)) this.giveBack({ discard: true });
  }
}

/**
 * Fails, on the server, where what was committed up to a position of the log
 * was not replayed yet (PostgreSQL, "Recovery Information Functions"); also on
 * one that replays nothing, such as a logical replica, which has another log.
 * What the planner could evaluate ahead would always fail.
 */
function checkReplayed(bookmark: string): Statement {
  return command(
    "select case when pg_last_wal_replay_lsn() >= $1::pg_lsn then 0 else ('nullpool:behind:' || coalesce(pg_last_wal_replay_lsn()::text, 'no standby'))::int4 end",
    [bookmark],
  );
}
