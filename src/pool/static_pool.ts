import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import { PoolError } from "../errors/pool_error.ts";
import { checkTimeout } from "./_check_timeout.ts";
import { ClosingSet } from "./_closing_set.ts";
import { checkinError, disposedError } from "./_pool_errors.ts";
import type {
  CheckinOptions,
  CheckoutOptions,
  Pool,
  PoolStatus,
} from "./pool.ts";
import { WaiterQueue } from "./waiter_queue.ts";

/** How a {@linkcode StaticPool} lends. */
export interface StaticPoolOptions {
  /**
   * Milliseconds that a checkout waits for the connection; 0 waits for ever.
   *
   * @default {30_000}
   */
  readonly timeout?: number;
}

/**
 * A pool of one connection with one holder at a time; the others wait in
 * order of arrival.
 *
 * It is for databases that have a single connection by nature (PGlite).
 * SQLAlchemy's `StaticPool` hands the same connection to everybody at once,
 * so that one session commits the other's half-done work; this one does not.
 *
 * @example One holder at a time
 * ```ts
 * import { StaticPool } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const driver = recordingDriver();
 * const pool = new StaticPool(driver);
 * const first = await pool.checkout();
 * const second = pool.checkout();
 * assertEquals(pool.status().waiting, 1);
 * await pool.checkin(first);
 * await pool.checkin(await second);
 * assertEquals(driver.log, ["connect"]);
 * await pool.dispose();
 * ```
 */
export class StaticPool implements Pool {
  readonly #driver: Driver;
  readonly #timeout: number;
  readonly #waiters = new WaiterQueue();
  readonly #closing = new ClosingSet();
  #kept: Connection | undefined;
  #lent: Connection | undefined;
  /** Taken from the moment a checkout is served, connecting included. */
  #taken = false;
  #disposed = false;

  /**
   * Creates a pool.
   *
   * @param driver Opens the connection.
   * @param options How long a checkout waits.
   * @throws {RangeError} When `timeout` is not a number of milliseconds.
   */
  constructor(driver: Driver, options: StaticPoolOptions = {}) {
    this.#driver = driver;
    this.#timeout = checkTimeout(options.timeout ?? 30_000);
  }

  /**
   * Borrows the connection, waiting until it is free.
   *
   * @param options When to give up.
   * @returns The connection.
   * @throws {PoolError} When the pool was disposed or the wait took too long.
   */
  async checkout(options: CheckoutOptions = {}): Promise<Connection> {
    if (this.#disposed) throw disposedError();
    if (this.#taken) {
      // Served by checkin, which leaves `#taken` set: nobody can slip in.
      await this.#waiters.wait({
        timeout: this.#timeout,
        onTimeout: () => this.#timeoutError(),
        signal: options.signal,
      });
    }
    this.#taken = true;
    try {
      if (this.#disposed) throw disposedError();
      if (this.#kept?.usable === false) {
        // It broke while it was idle.
        void this.#closing.close(this.#kept);
        this.#kept = undefined;
      }
      this.#kept ??= await this.#driver.connect(options);
      this.#lent = this.#kept;
      return this.#kept;
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  /**
   * Takes the connection back and lends it to the next one.
   *
   * @param connection The connection that was lent.
   * @param options Whether to throw it away; the next checkout opens another.
   * @returns Settles when it is free again, or closed.
   * @throws {PoolError} When it was not lent, or given back before.
   */
  async checkin(
    connection: Connection,
    options: CheckinOptions = {},
  ): Promise<void> {
    if (connection !== this.#lent) throw checkinError();
    this.#lent = undefined;
    if (options.discard || !connection.usable || this.#disposed) {
      this.#kept = undefined;
      // Where there is only one connection the next must not open before.
      await this.#closing.close(connection).finally(() => this.#free());
    } else {
      this.#free();
    }
  }

  /** Resolves when no connection is being closed. */
  idle(): Promise<void> {
    return this.#closing.idle();
  }

  /** Closes the connection if it is free, else when it comes back. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#waiters.refuseAll(disposedError());
    if (!this.#taken && this.#kept !== undefined) {
      const kept = this.#kept;
      this.#kept = undefined;
      await this.#closing.close(kept);
    }
    await this.#closing.idle();
  }

  /** What the pool holds right now. */
  status(): PoolStatus {
    return {
      checkedOut: this.#lent === undefined ? 0 : 1,
      idle: this.#kept !== undefined && !this.#taken ? 1 : 0,
      waiting: this.#waiters.size,
      closing: this.#closing.size,
    };
  }

  #free(): void {
    this.#taken = this.#waiters.serveNext();
  }

  #timeoutError(): PoolError {
    return new PoolError(
      "POOL_TIMEOUT",
      `Cannot checkout connection: the only one is in use for ${this.#timeout} ms`,
    );
  }
}
