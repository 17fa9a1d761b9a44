import type { TransactionOptions } from "../driver/transaction_sql.ts";

/** How blocks take part in a transaction which somebody else ends. */
export interface Joining {
  /**
   * Whether a block has to: somebody else ends the open transaction, or has
   * work in it. One that has only read is taken over by whoever begins one.
   */
  readonly isNeeded: boolean;
  /**
   * Refuses options that the open transaction cannot have any more; where
   * nothing was begun explicitly and nothing has run, it has them from now on.
   *
   * @param options How it is to run.
   * @throws {StateError} When it runs otherwise already.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  checkOptions(options: TransactionOptions): void;
  /**
   * Runs a block in the open transaction; where there is none, in one that is
   * begun as by a statement.
   *
   * @typeParam T What the block returns.
   * @param block What to run.
   * @param options How the transaction is to run.
   * @returns What the block returned.
   * @throws {StateError} When it runs otherwise already, or has ended before
   * the block.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  run<T>(block: () => Promise<T>, options: TransactionOptions): Promise<T>;
  /**
   * Refuses whoever commits from outside while a block runs, which nobody has
   * awaited then: half of what it does would be committed. One that has joined
   * is refused at its end.
   *
   * @throws {StateError} When there is one.
   */
  refuseCommit(): void;
}
