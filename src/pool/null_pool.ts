import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { checkCount } from "../errors/check_argument.ts";
import { Lending } from "./_lending.ts";
import type {
  CheckoutOptions,
  DisposeOptions,
  Pool,
  PoolStatus,
} from "./pool.ts";

/** How a {@linkcode NullPool} lends. */
export interface NullPoolOptions {
  /**
   * How many connections may be open at once; further checkouts wait in order
   * of arrival, so that a burst does not run into the server's
   * `max_connections`, or into the six that Workers give an invocation.
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

const NULL_POOL_OPTIONS: OptionNames<NullPoolOptions> = {
  maxOpen: true,
  timeout: true,
};

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
  readonly #lending: Lending;

  /**
   * Creates a pool.
   *
   * @param driver Opens the connections.
   * @param options How many at once.
   * @throws {RangeError} When an option is out of its range.
   */
  constructor(driver: Driver, options: NullPoolOptions = {}) {
    checkOptionNames("NullPool", options, NULL_POOL_OPTIONS);
    const { maxOpen = Infinity, timeout = 30_000 } = options;
    if (maxOpen !== Infinity) checkCount("maxOpen", maxOpen, 1);
    this.#lending = new Lending(driver, {
      size: 0,
      limit: maxOpen,
      timeout,
    });
  }

  /**
   * Opens a connection.
   *
   * @param options Who borrows, and when to give up.
   * @returns The connection.
   * @throws {PoolError} When the pool was disposed, the wait took too long, or
   * it would never end.
   */
  async checkout(options: CheckoutOptions = {}): Promise<Connection> {
    return await this.#lending.open(
      await this.#lending.take(options),
      options,
    );
  }

  /**
   * Closes a connection.
   *
   * @param connection One that this pool has lent.
   * @returns Settles when it is closed; nobody has to wait for it.
   * @throws {PoolError} When it was not lent, or given back before.
   */
  async checkin(connection: Connection): Promise<void> {
    const slot = this.#lending.takeBack(connection);
    if (slot !== undefined) await this.#lending.close(slot);
  }

  /**
   * Says that a connection comes back by itself.
   *
   * @param connection One that this pool has lent.
   */
  expect(connection: Connection): void {
    this.#lending.expect(connection);
  }

  /** Resolves when no connection is being closed. */
  idle(): Promise<void> {
    return this.#lending.idle();
  }

  /**
   * Refuses those who wait and lends nothing more.
   *
   * @param options How long holders have; without it they are not waited for.
   * @returns Settles when nothing is being closed.
   */
  dispose(options: DisposeOptions = {}): Promise<void> {
    return this.#lending.dispose(options);
  }

  /** How many connections it lends at once; nothing where there is no limit. */
  get capacity(): number | undefined {
    return this.#lending.capacity;
  }

  /** What the pool holds right now. */
  status(): PoolStatus {
    return this.#lending.status();
  }
}
