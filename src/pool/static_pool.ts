import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { Lending } from "./_lending.ts";
import type {
  CheckinOptions,
  CheckoutOptions,
  DisposeOptions,
  Pool,
  PoolStatus,
} from "./pool.ts";

/** How a {@linkcode StaticPool} lends. */
export interface StaticPoolOptions {
  /**
   * Milliseconds that a checkout waits for the connection; 0 waits for ever.
   *
   * @default {30_000}
   */
  readonly timeout?: number;
}

const STATIC_POOL_OPTIONS: OptionNames<StaticPoolOptions> = {
  timeout: true,
};

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
  readonly #lending: Lending;

  /**
   * Creates a pool.
   *
   * @param driver Opens the connection.
   * @param options How long a checkout waits.
   * @throws {RangeError} When `timeout` is not a number of milliseconds.
   */
  constructor(driver: Driver, options: StaticPoolOptions = {}) {
    checkOptionNames("StaticPool", options, STATIC_POOL_OPTIONS);
    const { timeout = 30_000 } = options;
    this.#lending = new Lending(driver, { size: 1, limit: 1, timeout });
  }

  /**
   * Borrows the connection, waiting until it is free.
   *
   * @param options Who borrows, and when to give up.
   * @returns The connection.
   * @throws {PoolError} When the pool was disposed, the wait took too long, or
   * it would never end.
   */
  async checkout(options: CheckoutOptions = {}): Promise<Connection> {
    const lending = this.#lending;
    let slot = await lending.take(options);
    // It broke while it was idle. Where there is only one connection the next
    // must not open before.
    if (slot.connection?.usable === false) {
      slot = await lending.replace(slot, options);
    }
    return slot.connection === undefined
      ? await lending.open(slot, options)
      : lending.lend(slot, slot.connection, options);
  }

  /**
   * Takes the connection back and lends it to the next one.
   *
   * @param connection The connection that was lent.
   * @param options In which state it is. If it is to be discarded or its
   * transaction was not ended, it is closed, and the next checkout opens
   * another.
   * @returns Settles when it is free again, or closed.
   * @throws {PoolError} When it was not lent, or given back before.
   */
  async checkin(
    connection: Connection,
    options: CheckinOptions = {},
  ): Promise<void> {
    const slot = this.#lending.takeBack(connection);
    if (slot === undefined) return;
    const isSound = connection.usable && !options.discard &&
      !options.inTransaction;
    await (isSound ? this.#lending.giveBack(slot) : this.#lending.close(slot));
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
   * Closes the connection if it is free, else when it comes back.
   *
   * @param options How long its holder has; without it nobody is waited for.
   * @returns Settles when nothing is being closed.
   */
  dispose(options: DisposeOptions = {}): Promise<void> {
    return this.#lending.dispose(options);
  }

  /** What is given back is lent again. */
  readonly reusesConnections = true;

  /** How many connections it lends at once; nothing where there is no limit. */
  get capacity(): number | undefined {
    return this.#lending.capacity;
  }

  /** What the pool holds right now. */
  status(): PoolStatus {
    return this.#lending.status();
  }
}
