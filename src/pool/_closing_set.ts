import type { Connection } from "../driver/connection.ts";

/** Connections on their way out: closed off the caller's path, but counted. */
export class ClosingSet {
  readonly #closing = new Set<Promise<void>>();

  /** How many there are. */
  get size(): number {
    return this.#closing.size;
  }

  /**
   * Closes a connection.
   *
   * @param connection The connection, which nobody else uses any more.
   * @returns Settles when it is closed.
   */
  close(connection: Connection): Promise<void> {
    const closing = connection.close().finally(() => {
      this.#closing.delete(closing);
    });
    this.#closing.add(closing);
    return closing;
  }

  /** Resolves when none is left. */
  async idle(): Promise<void> {
    while (this.#closing.size > 0) await Promise.all(this.#closing);
  }
}
