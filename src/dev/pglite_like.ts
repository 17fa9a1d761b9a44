/** The part of a PGlite instance that is used. */
export interface PGliteLike {
  /** Resolves when the database is up. */
  readonly waitReady: Promise<void>;

  /**
   * Runs messages of PostgreSQL's protocol.
   *
   * @param message Whole messages.
   * @returns The answers.
   */
  execProtocolRaw(message: Uint8Array): Promise<Uint8Array>;

  /**
   * Keeps `query`, `exec` and `transaction` of the same instance out.
   *
   * @param fn What runs meanwhile.
   * @typeParam T What it gives.
   * @returns What it gave.
   */
  _runExclusiveTransaction<T>(fn: () => Promise<T>): Promise<T>;
}
