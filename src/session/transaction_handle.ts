import { endedError } from "./_refusals.ts";

/**
 * A transaction, or a savepoint, that was begun without a block. Whoever began
 * it ends it; after its end it refuses both calls.
 */
export interface TransactionHandle extends AsyncDisposable {
  /** Whether it has not ended. */
  readonly isActive: boolean;
  /**
   * Commits the transaction; keeps the work of the savepoint, with those
   * inside it.
   *
   * @throws {StateError} When it has ended, failed, or a statement is running.
   * @throws {DatabaseError} When the server refused the commit.
   * @throws {CommitOutcomeError} When the answer to the commit was lost.
   */
  commit(): Promise<void>;
  /**
   * Undoes its work.
   *
   * @throws {StateError} When it has ended.
   */
  rollback(): Promise<void>;
  /** Rolls back, unless it has ended. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes a handle that refuses after its end.
 *
 * @param isActive Whether it has not ended.
 * @param end How it ends.
 */
export function makeHandle(
  isActive: () => boolean,
  end: {
    readonly commit: () => void | Promise<void>;
    readonly rollback: () => Promise<void>;
  },
): TransactionHandle {
  return {
    get isActive() {
      return isActive();
    },
    async commit() {
      if (!isActive()) throw endedError("commit");
      await end.commit();
    },
    async rollback() {
      if (!isActive()) throw endedError("rollback");
      await end.rollback();
    },
    async [Symbol.asyncDispose]() {
      if (isActive()) await end.rollback();
    },
  };
}
