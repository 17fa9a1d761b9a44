import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import { PoolError } from "../errors/pool_error.ts";
import type {
  CheckinOptions,
  CheckoutOptions,
  DisposeOptions,
  Pool,
  PoolStatus,
} from "./pool.ts";
import { StaticPool } from "./static_pool.ts";

/** The checkout that is out. */
interface FirstCheckout {
  readonly stack: string;
  connection: Connection | undefined;
}

/**
 * A pool for tests that lends one connection at a time and refuses a second
 * checkout, showing where the first one was made: it proves that code never
 * holds two connections at once.
 *
 * Each checkout captures a stack, which costs 4 to 20 µs; keep it out of
 * production.
 *
 * Behaves as SQLAlchemy's `AssertionPool` (`lib/sqlalchemy/pool/impl.py`).
 *
 * @example A second checkout
 * ```ts
 * import { AssertionPool } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertRejects } from "@std/assert";
 *
 * const pool = new AssertionPool(recordingDriver());
 * const first = await pool.checkout();
 * await assertRejects(() => pool.checkout(), Error, "borrowed here:");
 * await pool.checkin(first);
 * await pool.checkin(await pool.checkout());
 * await pool.dispose();
 * ```
 */
export class AssertionPool implements Pool {
  readonly #pool: StaticPool;
  #first: FirstCheckout | undefined;

  /**
   * Creates a pool.
   *
   * @param driver Opens the connection.
   */
  constructor(driver: Driver) {
    this.#pool = new StaticPool(driver);
  }

  /**
   * Borrows the connection.
   *
   * @param options Who borrows, and when to give up.
   * @returns The connection.
   * @throws {PoolError} When it is out, or the pool was disposed.
   */
  async checkout(options: CheckoutOptions = {}): Promise<Connection> {
    if (this.#first !== undefined) {
      throw new PoolError(
        "POOL_SECOND_CHECKOUT",
        `Cannot checkout connection: another one is out, borrowed here:\n${this.#first.stack}`,
      );
    }
    const checkout: FirstCheckout = {
      stack: callers(new Error().stack ?? ""),
      connection: undefined,
    };
    this.#first = checkout;
    try {
      checkout.connection = await this.#pool.checkout(options);
      return checkout.connection;
    } catch (error) {
      this.#first = undefined;
      throw error;
    }
  }

  /**
   * Takes the connection back.
   *
   * @param connection The connection that was lent.
   * @param options In which state it is.
   * @returns Settles when it is free again, or closed.
   * @throws {PoolError} When it was not lent, or given back before.
   */
  checkin(
    connection: Connection,
    options: CheckinOptions = {},
  ): Promise<void> {
    if (connection === this.#first?.connection) this.#first = undefined;
    return this.#pool.checkin(connection, options);
  }

  /**
   * Says that a connection comes back by itself.
   *
   * @param connection One that this pool has lent.
   */
  expect(connection: Connection): void {
    if (connection === this.#first?.connection) this.#first = undefined;
    this.#pool.expect(connection);
  }

  /** Resolves when no connection is being closed. */
  idle(): Promise<void> {
    return this.#pool.idle();
  }

  /**
   * Closes the connection if it is free, else when it comes back.
   *
   * @param options How long its holder has; without it nobody is waited for.
   * @returns Settles when nothing is being closed.
   */
  dispose(options: DisposeOptions = {}): Promise<void> {
    return this.#pool.dispose(options);
  }

  /** One connection, and no other. */
  get capacity(): number {
    return 1;
  }

  /** What the pool holds right now. */
  status(): PoolStatus {
    return this.#pool.status();
  }
}

/** The frames of a stack, without its title and the pool's own. */
function callers(stack: string): string {
  return stack.split("\n").filter((line) => !/^Error\b/.test(line)).slice(1)
    .join("\n");
}
