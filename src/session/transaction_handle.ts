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

/** How a handle's transaction or savepoint ends. */
interface HandleParts {
  /** Whether it has not ended. */
  readonly isActive: () => boolean;
  /** Keeps its work. */
  readonly commit: () => void | Promise<void>;
  /** Undoes its work. */
  readonly rollback: () => Promise<void>;
}

/**
 * Makes a handle that refuses after its end.
 *
 * @param isActive Whether it has not ended.
 * @param end How it ends.
 */
export function makeHandle(
  isActive: () => boolean,
  end: Omit<HandleParts, "isActive">,
): TransactionHandle {
  return new Handle({ isActive, ...end });
}

class Handle implements TransactionHandle {
  readonly #parts: HandleParts;

  constructor(parts: HandleParts) {
    this.#parts = parts;
  }

  get isActive(): boolean {
    return this.#parts.isActive();
  }

  async commit(): Promise<void> {
    if (!this.isActive) throw endedError("commit");
    await this.#parts.commit();
  }

  async rollback(): Promise<void> {
    if (!this.isActive) throw endedError("rollback");
    await this.#parts.rollback();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isActive) await this.#parts.rollback();
  }
}
