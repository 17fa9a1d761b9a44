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

/** How a transaction or a savepoint ends. */
export interface TransactionEnds {
  /** Keeps its work. */
  commit(): void | Promise<void>;
  /** Undoes its work. */
  rollback(): Promise<void>;
}

/**
 * Makes a handle that refuses after its end.
 *
 * @param isActive Whether it has not ended.
 * @param ends How it ends.
 */
export function makeHandle(
  isActive: () => boolean,
  ends: TransactionEnds,
): TransactionHandle {
  return new Handle(isActive, ends);
}

class Handle implements TransactionHandle {
  readonly #isActive: () => boolean;
  readonly #ends: TransactionEnds;

  constructor(isActive: () => boolean, ends: TransactionEnds) {
    this.#isActive = isActive;
    this.#ends = ends;
  }

  get isActive(): boolean {
    return this.#isActive();
  }

  async commit(): Promise<void> {
    if (!this.isActive) throw endedError("commit");
    await this.#ends.commit();
  }

  async rollback(): Promise<void> {
    if (!this.isActive) throw endedError("rollback");
    await this.#ends.rollback();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isActive) await this.#ends.rollback();
  }
}
