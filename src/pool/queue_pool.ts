import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { ConnectionError } from "../errors/connection_error.ts";
import { PoolError } from "../errors/pool_error.ts";
import { answers } from "./_answers.ts";
import { checkCount } from "../errors/check_argument.ts";
import { isWorkerd } from "../driver/is_workerd.ts";
import { Lending } from "./_lending.ts";
import { notLentError } from "./_pool_errors.ts";
import {
  type ConnectionRecord,
  generationAfterLoss,
  openRecord,
  replacementReason,
} from "./connection_record.ts";
import type {
  CheckinOptions,
  CheckoutOptions,
  DisposeOptions,
  Pool,
  PoolStatus,
} from "./pool.ts";

/** Reconnects of one checkout whose pings fail; as in SQLAlchemy. */
const MAX_RECONNECTS = 2;

/** How a {@linkcode QueuePool} lends. */
export interface QueuePoolOptions {
  /**
   * How many connections are kept; 0 keeps all, without any limit.
   *
   * @default {5}
   */
  readonly poolSize?: number;
  /**
   * How many more may be open at once; -1 is no limit. They are closed at
   * their checkin, unless somebody waits.
   *
   * @default {10}
   */
  readonly maxOverflow?: number;
  /**
   * Milliseconds that a checkout waits for its turn; 0 waits for ever.
   *
   * @default {30_000}
   */
  readonly timeout?: number;
  /**
   * Milliseconds of age after which a connection is replaced at its next
   * checkout; -1 is never. Set it below what a firewall or proxy allows.
   *
   * @default {-1}
   */
  readonly recycle?: number;
  /**
   * Whether a kept connection has to answer a `select 1` before it is lent:
   * one round trip for each checkout, and no error after the server was
   * restarted. A ping that is not answered within 5 s has failed.
   *
   * @default {false}
   */
  readonly prePing?: boolean;
  /**
   * Whether the connection given back last is lent first, so that those not
   * needed stay idle and the server can end them.
   *
   * @default {false}
   */
  readonly lifo?: boolean;
  /**
   * What is done with a connection that comes back with an open transaction
   * (`inTransaction` of the checkin). Sessions end their own, which costs
   * nothing here. SQLAlchemy's third choice, to commit, is left out: nobody
   * asked for that work to be kept.
   *
   * @default {"rollback"}
   */
  readonly resetOnReturn?: "rollback" | "none";
}

const QUEUE_POOL_OPTIONS: OptionNames<QueuePoolOptions> = {
  poolSize: true,
  maxOverflow: true,
  timeout: true,
  recycle: true,
  prePing: true,
  lifo: true,
  resetOnReturn: true,
};

/** How a connection is invalidated. */
export interface InvalidateOptions {
  /**
   * Whether it stays open until its next checkout, which replaces it.
   *
   * @default {false}
   */
  readonly soft?: boolean;
}

const INVALIDATE_OPTIONS: OptionNames<InvalidateOptions> = { soft: true };

/**
 * A pool that keeps connections for the next ones: up to `poolSize`, and up
 * to `maxOverflow` more while they are needed.
 *
 * It opens nothing ahead of need, serves in order of arrival, and counts a
 * connection until the server has let it go. It is for long-lived processes;
 * on Cloudflare Workers it is refused, because a socket there belongs to the
 * request that opened it.
 *
 * When one connection breaks, all that are older are replaced, each at its
 * next checkout: after a restart of the server each transaction that was
 * running sees one error, and nobody else any.
 *
 * Behaves as SQLAlchemy's `QueuePool` (`lib/sqlalchemy/pool/impl.py`).
 *
 * @example Kept connections
 * ```ts
 * import { createEngine, QueuePool, sessionmaker } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const driver = recordingDriver();
 * await using engine = createEngine(driver, {
 *   pool: (driver) => new QueuePool(driver, { poolSize: 2, prePing: true }),
 * });
 * const Session = sessionmaker(engine);
 * for (let i = 0; i < 3; i++) {
 *   await Session.begin((db) => db.execute("select now()"));
 *   await engine.idle();
 * }
 * assertEquals(driver.log.filter((entry) => entry === "connect").length, 1);
 * assertEquals(engine.status().idle, 1);
 * ```
 */
export class QueuePool implements Pool {
  readonly #driver: Driver;
  readonly #options: QueuePoolOptions;
  readonly #lending: Lending;
  readonly #recycle: number;
  readonly #records = new WeakMap<Connection, ConnectionRecord>();
  #generation = 0;

  /**
   * Creates a pool.
   *
   * @param driver Opens the connections.
   * @param options How many are kept, and how they are looked after.
   * @throws {RangeError} When an option is out of its range.
   * @throws {PoolError} When it is made on Cloudflare Workers.
   */
  constructor(driver: Driver, options: QueuePoolOptions = {}) {
    if (isWorkerd()) {
      throw new PoolError(
        "POOL_UNSUPPORTED",
        "Cannot use QueuePool on Cloudflare Workers: a socket belongs to the request that opened it, and the next one would hang; keep NullPool, the default",
      );
    }
    checkOptionNames("QueuePool", options, QUEUE_POOL_OPTIONS);
    const { poolSize = 5, maxOverflow = 10, timeout = 30_000 } = options;
    const { recycle = -1, resetOnReturn = "rollback" } = options;
    checkCount("poolSize", poolSize, 0);
    checkCount("maxOverflow", maxOverflow, -1);
    if (recycle !== -1 && !(recycle >= 0)) {
      throw new RangeError(
        'Cannot use option "recycle": it is a number of milliseconds, or -1 for never',
      );
    }
    if (resetOnReturn !== "rollback" && resetOnReturn !== "none") {
      throw new RangeError(
        'Cannot use option "resetOnReturn": it is "rollback" or "none"',
      );
    }
    const isUnlimited = poolSize === 0 || maxOverflow === -1;
    this.#driver = driver;
    this.#options = { ...options };
    this.#recycle = recycle;
    this.#lending = new Lending(driver, {
      size: poolSize === 0 ? Infinity : poolSize,
      limit: isUnlimited ? Infinity : poolSize + maxOverflow,
      timeout,
      lifo: options.lifo ?? false,
    });
  }

  /**
   * Borrows a connection: a kept one if there is any, else a new one, else
   * the next that is given back.
   *
   * @param options Who borrows, and when to give up.
   * @returns The connection.
   * @throws {PoolError} When the pool was disposed, the wait took too long, or
   * it would never end.
   * @throws {ConnectionError} When one connection after the other did not
   * answer the ping.
   */
  async checkout(options: CheckoutOptions = {}): Promise<Connection> {
    let slot = await this.#lending.take(options);
    for (let failedPings = 0; slot.connection !== undefined;) {
      const { connection } = slot;
      if (!this.#isDue(connection)) {
        if (await this.#isAlive(connection, options)) {
          return this.#lending.lend(slot, connection, options);
        }
        if (++failedPings > MAX_RECONNECTS) {
          void this.#lending.close(slot);
          throw pingError();
        }
      }
      slot = await this.#lending.replace(slot, options);
    }
    // What is opened now is lent as it is: it cannot be any fresher.
    const record = openRecord(this.#generation, Date.now());
    const opened = await this.#lending.open(slot, options);
    this.#records.set(opened, record);
    return opened;
  }

  /**
   * Takes a connection back.
   *
   * @param connection One that this pool has lent.
   * @param options In which state it is.
   * @returns Settles when the connection is free for others, or closed;
   * nobody has to wait for it.
   * @throws {PoolError} When it was not lent, or given back before.
   */
  async checkin(
    connection: Connection,
    options: CheckinOptions = {},
  ): Promise<void> {
    const slot = this.#lending.takeBack(connection);
    if (slot === undefined) return;
    const isSound = !options.discard &&
      (!this.#hasToReset(options) || await answers(connection, "rollback"));
    if (!connection.usable) this.#lose(connection);
    if (isSound && connection.usable) await this.#lending.giveBack(slot);
    else await this.#lending.close(slot);
  }

  /**
   * Says that a connection, or every one, is not to be used any more.
   *
   * One that is lent is closed under its holder, who gives it back as usual.
   * Without a connection those that are idle are closed, and those that are
   * lent are replaced at their next checkout.
   *
   * @example After a failover
   * ```ts
   * import { QueuePool } from "@nullpool/db";
   * import { recordingDriver } from "@nullpool/db/testing";
   * import { assertEquals } from "@std/assert";
   *
   * const driver = recordingDriver();
   * const pool = new QueuePool(driver);
   * await pool.checkin(await pool.checkout());
   * await pool.invalidate();
   * await pool.checkin(await pool.checkout());
   * assertEquals(driver.log, ["connect", "close", "connect"]);
   * await pool.dispose();
   * ```
   *
   * @param connection One of this pool; without it, all of them.
   * @param options Whether to wait for the next checkout.
   * @returns Settles when what is closed now is closed.
   * @throws {PoolError} When it is none of this pool.
   */
  async invalidate(
    connection?: Connection,
    options: InvalidateOptions = {},
  ): Promise<void> {
    checkOptionNames("invalidate()", options, INVALIDATE_OPTIONS);
    if (connection === undefined) {
      this.#generation++;
      if (!options.soft) await this.#lending.closeKept();
      return;
    }
    const record = this.#records.get(connection);
    if (record === undefined) throw notLentError("invalidate");
    this.#records.set(connection, { ...record, isInvalidated: true });
    if (!options.soft) await this.#lending.revoke(connection);
  }

  /**
   * Takes a connection out of the pool, whose slot is free at once. Its holder
   * closes it, and does not give it back.
   *
   * @example A connection that listens for as long as the process lives
   * ```ts
   * import { QueuePool } from "@nullpool/db";
   * import { recordingDriver } from "@nullpool/db/testing";
   * import { assertEquals } from "@std/assert";
   *
   * const pool = new QueuePool(recordingDriver());
   * const listener = await pool.checkout();
   * pool.detach(listener);
   * assertEquals(pool.status().checkedOut, 0);
   * await listener.close();
   * ```
   *
   * @param connection One that this pool has lent.
   * @throws {PoolError} When it was not lent.
   */
  detach(connection: Connection): void {
    this.#lending.detach(connection);
    this.#records.delete(connection);
  }

  /**
   * Says that a connection comes back by itself.
   *
   * @param connection One that this pool has lent.
   */
  expect(connection: Connection): void {
    this.#lending.expect(connection);
  }

  /** Resolves when nothing is being reset or closed. */
  idle(): Promise<void> {
    return this.#lending.idle();
  }

  /**
   * Closes what is idle, refuses those who wait and lends nothing more.
   *
   * @example At the end of a process
   * ```ts
   * import { QueuePool } from "@nullpool/db";
   * import { recordingDriver } from "@nullpool/db/testing";
   * import { assertFalse } from "@std/assert";
   *
   * const pool = new QueuePool(recordingDriver());
   * const forgotten = await pool.checkout();
   * await pool.dispose({ deadline: 10 });
   * assertFalse(forgotten.usable);
   * ```
   *
   * @param options How long holders have until their connections are closed
   * under them; without it nobody is waited for, and each is closed when it
   * comes back.
   * @returns Settles when nothing is being opened, reset or closed.
   * @throws {RangeError} When `deadline` is not a number of milliseconds.
   */
  dispose(options: DisposeOptions = {}): Promise<void> {
    return this.#lending.dispose(options);
  }

  /**
   * Makes a new pool with the same driver and options, to take the place of
   * this one. This one, when disposed, lets its holders finish.
   *
   * @example Let holders finish, serve others meanwhile
   * ```ts
   * import { QueuePool } from "@nullpool/db";
   * import { recordingDriver } from "@nullpool/db/testing";
   *
   * const old = new QueuePool(recordingDriver(), { poolSize: 2 });
   * const held = await old.checkout();
   * const pool = old.recreate();
   * await old.dispose();
   * await pool.checkin(await pool.checkout());
   * await old.checkin(held);
   * await pool.dispose();
   * ```
   *
   * @returns The new pool, which has opened nothing.
   */
  recreate(): QueuePool {
    return new QueuePool(this.#driver, this.#options);
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

  /** Whether a connection is to be replaced. */
  #isDue(connection: Connection): boolean {
    const record = this.#records.get(connection);
    return record === undefined || replacementReason(record, {
          now: Date.now(),
          recycle: this.#recycle,
          generation: this.#generation,
          isUsable: connection.usable,
        }) !== undefined;
  }

  async #isAlive(
    connection: Connection,
    { signal }: CheckoutOptions,
  ): Promise<boolean> {
    if (!this.#options.prePing) return true;
    const isAlive = await answers(connection, "select 1", signal);
    if (!isAlive && !signal?.aborted) this.#lose(connection);
    return isAlive;
  }

  /** A connection broke: those that are older are in doubt as well. */
  #lose(connection: Connection): void {
    const record = this.#records.get(connection);
    if (record === undefined || connection.isLoggedIn === false) return;
    this.#generation = generationAfterLoss(record, this.#generation);
  }

  #hasToReset({ inTransaction = false }: CheckinOptions): boolean {
    return inTransaction && this.#options.resetOnReturn !== "none";
  }
}

function pingError(): ConnectionError {
  return new ConnectionError(
    "CONNECT_FAILED",
    `Cannot checkout connection: ${
      MAX_RECONNECTS + 1
    } connections in a row did not answer the ping`,
    { maybeExecuted: false },
  );
}
