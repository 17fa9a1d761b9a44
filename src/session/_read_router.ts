import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { WrappedFlight } from "../engine/flight.ts";
import type { NullpoolError } from "../errors/error.ts";
import { ReplicaReads } from "./_replica_reads.ts";
import type { ServerTransaction } from "./_server_transaction.ts";
import type { Batch } from "./_statement_queue.ts";
import type { WholeOptions } from "./_whole_transaction.ts";
import type { TransactionOwner } from "./transaction_owner.ts";

/**
 * Brings the reads of a transaction to who answers them: a replica where that
 * may, else the primary.
 */
export class ReadRouter {
  readonly #owner: TransactionOwner;
  readonly #options: () => TransactionOptions;
  readonly #primary: ServerTransaction;
  #replica: ReplicaReads | undefined;

  /**
   * @param owner The session.
   * @param options How its transaction runs.
   * @param primary The transaction on the primary.
   */
  constructor(
    owner: TransactionOwner,
    options: () => TransactionOptions,
    primary: ServerTransaction,
  ) {
    this.#owner = owner;
    this.#options = options;
    this.#primary = primary;
  }

  /** Settles when what a replica has lent is back in its pool, or closed. */
  get returned(): Promise<void> | undefined {
    return this.#replica?.returned;
  }

  /**
   * Sends reads in a transaction of their own.
   *
   * @param batch What to read.
   * @param whole How it runs.
   * @returns Their results, and whether BEGIN and the settings succeeded.
   * @throws {ConnectionError} When there is no connection.
   * @throws {PoolError} When the pool has none to lend.
   * @throws What it was given up with.
   */
  async read(
    batch: Batch,
    whole: WholeOptions,
  ): Promise<{ flight: WrappedFlight; hasBegun: boolean }> {
    const { abort: { signal } } = whole;
    const { engine } = this.#owner;
    if (engine.readers.length > 0) {
      const flight = await this.#askReplica(batch, whole);
      if (flight !== undefined) return { flight, hasBegun: true };
      signal.throwIfAborted();
    }
    if (!engine.sendsTransactions) this.turnToPrimary();
    const answer = await this.#primary.reads.inTransaction(
      batch.statements,
      whole,
    );
    if (answer.flight.failure !== undefined) signal.throwIfAborted();
    return answer;
  }

  /** What a replica answers, if there is one that may. */
  async #askReplica(
    batch: Batch,
    whole: WholeOptions,
  ): Promise<WrappedFlight | undefined> {
    const engine = this.#owner.engine.reader();
    if (engine === undefined) return undefined;
    this.#replica ??= new ReplicaReads(this.#owner, this.#options, engine);
    return this.#replica.mayAnswer(batch, whole)
      ? await this.#replica.read(batch, whole)
      : undefined;
  }

  /**
   * Who waits for a connection of the primary holds none of a replica: somebody
   * else may hold one of the primary, and wait for that. Without a limit nobody
   * waits, and the replica's would be opened again for the next read.
   */
  turnToPrimary(): void {
    const mayWait = this.#owner.engine.capacity !== undefined;
    if (mayWait && !this.#primary.isUsable) {
      this.leaveReplica({ discard: false });
    }
  }

  /** Gives back what a replica has lent; `discard` ends what runs on it. */
  leaveReplica(options: { readonly discard: boolean }): void {
    this.#replica?.giveBack(options);
  }

  /** Ends at once what a replica runs. */
  cut(error: NullpoolError): void {
    this.#replica?.cut(error);
  }
}
