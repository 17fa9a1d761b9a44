import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { EngineConnection } from "../engine/engine_connection.ts";
import type { WrappedFlight } from "../engine/flight.ts";
import type { NullpoolError } from "../errors/error.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import { unwatchLeak, watchLeak } from "./_leaks.ts";
import { answerDeadline, type ToldStatement } from "./_told_statement.ts";
import type { SessionStats } from "./session_stats.ts";

/** Who borrows connections. */
export interface Borrower {
  /** Lends the connection. */
  readonly engine: Engine;
  /** Counted on. */
  readonly stats: SessionStats;
  /** Whom the pool lends to. */
  readonly holder: PoolHolder;
  /** Where the last call of a kind came from, in development mode. */
  readonly placeOf: (call: string) => string;
}

/** The connection that a transaction has borrowed, from checkout to checkin. */
export class LentConnection {
  readonly #borrower: Borrower;
  #connection: EngineConnection | undefined;
  #released: Promise<void> = Promise.resolve();

  /** @param borrower Who borrows it. */
  constructor(borrower: Borrower) {
    this.#borrower = borrower;
  }

  /** Whether it can carry another flight. */
  get isUsable(): boolean {
    return this.#connection?.usable ?? false;
  }

  /** Settles when it is back in the pool, or closed. */
  get released(): Promise<void> {
    return this.#released;
  }

  /**
   * Borrows one, unless the one that is kept can carry another flight.
   *
   * @param signal Gives up waiting.
   * @throws {ConnectionError} When none could be opened.
   * @throws {PoolError} When the pool has none to lend.
   */
  async borrow(signal: AbortSignal): Promise<void> {
    if (this.isUsable) return;
    this.giveBack({ discard: true });
    const { engine, stats, holder, placeOf } = this.#borrower;
    const start = performance.now();
    try {
      this.#connection = await engine.connect({ signal, holder });
    } finally {
      stats.duration += performance.now() - start;
    }
    stats.connections++;
    watchLeak(this, {
      connection: this.#connection,
      engine,
      holder,
      place: placeOf("open"),
    });
  }

  /**
   * Sends statements as one flight, and waits no longer for the answer than it
   * may take.
   *
   * @param all What to send.
   * @param options How long.
   */
  async exchange(
    all: readonly ToldStatement[],
    options: TransactionOptions,
  ): Promise<WrappedFlight> {
    const connection = this.#connection;
    if (connection === undefined) throw new TypeError("Nothing is open");
    const { engine, stats } = this.#borrower;
    const deadline = answerDeadline(
      engine,
      options,
      (error) => connection.cut(error),
    );
    const flight = await connection.send(
      all.map(({ statement }) => statement),
      {
        tellers: all.map(({ tell }) => tell),
        onProgress: () => deadline.heard(),
      },
    );
    deadline.clear();
    stats.roundTrips++;
    stats.duration += flight.duration ?? 0;
    return flight;
  }

  /** Says that it is given back when its last answer has arrived. */
  expectRelease(): void {
    this.#connection?.expectRelease();
  }

  /**
   * Ends what runs on it.
   *
   * @param failure What that fails with.
   * @returns Whether anything did.
   */
  cut(failure: NullpoolError): boolean {
    return this.#connection?.cut(failure) ?? false;
  }

  /**
   * Gives it back; the second call does nothing more.
   *
   * @param options `discard` when its state is in doubt.
   */
  giveBack(options: { readonly discard: boolean }): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    unwatchLeak(this);
    const before = this.#released;
    this.#released = connection.release(options).then(() => before);
  }
}
