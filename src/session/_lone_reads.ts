import { command, type Result } from "../driver/statement.ts";
import { beginStatement } from "../driver/transaction_sql.ts";
import type { WrappedFlight } from "../engine/flight.ts";
import { ConnectionError } from "../errors/connection_error.ts";
import type { Borrower, LentConnection } from "./_lent_connection.ts";
import {
  ownFlight,
  settingsOf,
  type ToldStatement,
  untold,
} from "./_told_statement.ts";
import { sendWhole, type WholeOptions } from "./_whole_transaction.ts";

/**
 * Reads ahead of a transaction that stays open, or in place of one. Afterwards
 * the connection is back in the pool, if that has a use for it; else it is kept
 * for what comes next.
 */
export class LoneReads {
  readonly #borrower: Borrower;
  readonly #lent: LentConnection;

  /**
   * @param borrower Who reads.
   * @param lent What carries them, where the engine needs a connection.
   */
  constructor(borrower: Borrower, lent: LentConnection) {
    this.#borrower = borrower;
    this.#lent = lent;
  }

  /**
   * Sends reads as a read-only transaction of their own, begun and ended in one
   * flight.
   *
   * @param statements What to read.
   * @param whole How they run.
   * @returns Their results, and whether BEGIN and the settings succeeded.
   * @throws {ConnectionError} When there is no connection.
   * @throws {PoolError} When the pool has none to lend.
   */
  async inTransaction(
    statements: readonly ToldStatement[],
    whole: WholeOptions,
  ): Promise<{ flight: WrappedFlight; hasBegun: boolean }> {
    const { options, settings, lead: ahead = [], abort } = whole;
    const readOnly = { ...options, readOnly: true };
    if (this.#borrower.engine.sendsTransactions) {
      const flight = await sendWhole(
        statements,
        { ...whole, options: readOnly },
        this.#borrower,
      );
      const hasBegun = !(flight.failure instanceof ConnectionError);
      return { flight, hasBegun };
    }
    const isKept = this.#lent.isUsable;
    await this.#lent.borrow(abort.signal);
    const lead: ToldStatement[] = [
      ...untold([beginStatement(readOnly)]),
      ...settingsOf(settings),
      ...untold(ahead),
    ];
    const { results, failure } = await this.#lent.exchange([
      ...lead,
      ...statements,
      ...untold([command("commit")]),
    ], options);
    if (isKept && failure?.code === "CONNECTION_LOST") {
      // It broke while nobody used it; a read can be asked for again.
      this.#lent.giveBack({ discard: true });
      return await this.inTransaction(statements, whole);
    }
    if (failure !== undefined && this.#lent.isUsable) {
      await this.#lent.exchange(untold([command("rollback")]), options);
    }
    this.#giveBackUnlessKept();
    return {
      hasBegun: results.length >= lead.length,
      flight: ownFlight({ results, failure }, lead.length, statements.length),
    };
  }

  /**
   * Sends reads one by one, without a transaction around them.
   *
   * @param statements What to read.
   * @param whole How they run; settings are left out.
   * @returns Their results.
   * @throws {ConnectionError} When there is no connection.
   * @throws {PoolError} When the pool has none to lend.
   */
  async bare(
    statements: readonly ToldStatement[],
    { options, abort }: WholeOptions,
  ): Promise<WrappedFlight> {
    await this.#lent.borrow(abort.signal);
    const results: Result[] = [];
    for (const statement of statements) {
      const flight = await this.#lent.exchange([statement], options);
      results.push(...flight.results);
      if (flight.failure !== undefined) return { ...flight, results };
    }
    this.#giveBackUnlessKept();
    return { results };
  }

  /** A pool that closes what comes back would open the next one anew. */
  #giveBackUnlessKept(): void {
    if (this.#borrower.engine.reusesConnections) {
      this.#lent.giveBack({ discard: false });
    }
  }
}
