import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import { ClosingSet } from "./_closing_set.ts";
import { checkinError, disposedError } from "./_pool_errors.ts";
import type { CheckoutOptions, Pool, PoolStatus } from "./pool.ts";

/**
 * A pool that keeps nothing: each checkout opens a connection, each checkin
 * closes it.
 *
 * It is the default because a serverless invocation can be frozen or dropped
 * at any `await`: a connection kept for the next invocation would be found
 * dead, or would hold a server slot that nobody is left to free.
 *
 * Behaves as SQLAlchemy's `NullPool` (`lib/sqlalchemy/pool/impl.py`).
 *
 * @example A connection per checkout
 * ```ts
 * import { NullPool } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const driver = recordingDriver();
 * const pool = new NullPool(driver);
 * await pool.checkin(await pool.checkout());
 * assertEquals(driver.log, ["connect", "close"]);
 * ```
 */
export class NullPool implements Pool {
  readonly #driver: Driver;
  readonly #lent = new Set<Connection>();
  readonly #closing = new ClosingSet();
  #disposed = false;

  /**
   * Creates a pool.
   *
   * @param driver Opens the connections.
   */
  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /**
   * Opens a connection.
   *
   * @param options When to give up.
   * @returns The connection.
   * @throws {PoolError} When the pool was disposed.
   */
  async checkout(options: CheckoutOptions = {}): Promise<Connection> {
    if (this.#disposed) throw disposedError();
    const connection = await this.#driver.connect(options);
    this.#lent.add(connection);
    return connection;
  }

  /**
   * Closes a connection.
   *
   * @param connection One that this pool has lent.
   * @returns Settles when it is closed; nobody has to wait for it.
   * @throws {PoolError} When it was not lent, or given back before.
   */
  checkin(connection: Connection): Promise<void> {
    if (!this.#lent.delete(connection)) return Promise.reject(checkinError());
    return this.#closing.close(connection);
  }

  /** Resolves when no connection is being closed. */
  idle(): Promise<void> {
    return this.#closing.idle();
  }

  /** Lends nothing more, and resolves when nothing is being closed. */
  dispose(): Promise<void> {
    this.#disposed = true;
    return this.#closing.idle();
  }

  /** What the pool holds right now. */
  status(): PoolStatus {
    return {
      checkedOut: this.#lent.size,
      idle: 0,
      waiting: 0,
      closing: this.#closing.size,
    };
  }
}
