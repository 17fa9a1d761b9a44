import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import { PoolError } from "../errors/pool_error.ts";
import { checkTimeout } from "./_check_timeout.ts";
import { ClosingSet } from "./_closing_set.ts";
import { checkinError, disposedError } from "./_pool_errors.ts";
import type { CheckoutOptions, Pool, PoolStatus } from "./pool.ts";
import { WaiterQueue } from "./waiter_queue.ts";

/** How a {@linkcode NullPool} lends. */
export interface NullPoolOptions {
  /**
   * How many connections may be open at once; further checkouts wait in order
   * of arrival, so that a burst does not run into the server's
   * `max_connections`.
   *
   * @default {Infinity}
   */
  readonly maxOpen?: number;
  /**
   * Milliseconds that a checkout waits for its turn; 0 waits for ever.
   *
   * @default {30_000}
   */
  readonly timeout?: number;
}

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
  readonly #maxOpen: number;
  readonly #timeout: number;
  readonly #lent = new Set<Connection>();
  readonly #closing = new ClosingSet();
  readonly #waiters = new WaiterQueue();
  /** Connections that hold a slot of the server: opening, lent or closing. */
  #open = 0;
  #disposed = false;

  /**
   * Creates a pool.
   *
   * @param driver Opens the connections.
   * @param options How many at once.
   * @throws {RangeError} When an option is out of its range.
   */
  constructor(driver: Driver, options: NullPoolOptions = {}) {
    const { maxOpen = Infinity, timeout = 30_000 } = options;
    if (maxOpen !== Infinity && !(Number.isInteger(maxOpen) && maxOpen > 0)) {
      throw new RangeError(
        'Cannot use option "maxOpen": it is a whole number, 1 or more',
      );
    }
    this.#driver = driver;
    this.#maxOpen = maxOpen;
    this.#timeout = checkTimeout(timeout);
  }

  /**
   * Opens a connection.
   *
   * @param options When to give up.
   * @returns The connection.
   * @throws {PoolError} When the pool was disposed or the wait took too long.
   */
  async checkout(options: CheckoutOptions = {}): Promise<Connection> {
    if (this.#disposed) throw disposedError();
    if (this.#open < this.#maxOpen) {
      this.#open++;
    } else {
      // Whoever serves a waiter hands its slot over: the count stays.
      await this.#waiters.wait({
        timeout: this.#timeout,
        onTimeout: () => this.#timeoutError(),
        signal: options.signal,
      });
    }
    try {
      const connection = await this.#driver.connect(options);
      this.#lent.add(connection);
      return connection;
    } catch (error) {
      this.#freeSlot();
      throw error;
    }
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
    return this.#closing.close(connection).finally(() => this.#freeSlot());
  }

  /** Resolves when no connection is being closed. */
  idle(): Promise<void> {
    return this.#closing.idle();
  }

  /** Lends nothing more, and resolves when nothing is being closed. */
  dispose(): Promise<void> {
    this.#disposed = true;
    this.#waiters.refuseAll(disposedError());
    return this.#closing.idle();
  }

  /** What the pool holds right now. */
  status(): PoolStatus {
    return {
      checkedOut: this.#lent.size,
      idle: 0,
      waiting: this.#waiters.size,
      closing: this.#closing.size,
    };
  }

  #freeSlot(): void {
    if (!this.#waiters.serveNext()) this.#open--;
  }

  #timeoutError(): PoolError {
    return new PoolError(
      "POOL_TIMEOUT",
      `Cannot checkout connection: ${this.#maxOpen} of ${this.#maxOpen} are open for ${this.#timeout} ms`,
    );
  }
}
