import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";

/** How a connection is borrowed. */
export interface CheckoutOptions {
  /** Gives up waiting. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Who borrows: named by `POOL_TIMEOUT`, and what `POOL_SELF_DEADLOCK` is
   * told by.
   */
  readonly holder?: PoolHolder | undefined;
}

/** How a connection is given back. */
export interface CheckinOptions {
  /**
   * Whether to throw it away: its protocol may be out of step, or its state
   * is in doubt.
   *
   * @default {false}
   */
  readonly discard?: boolean;
  /**
   * Whether its transaction was not ended. A session ends its own; for
   * whoever cannot, `QueuePool` resets the connection as its `resetOnReturn`
   * says, and pools without that option throw it away.
   *
   * @default {false}
   */
  readonly inTransaction?: boolean;
}

/** How a pool is ended. */
export interface DisposeOptions {
  /**
   * Milliseconds that holders have to give their connections back; then they
   * are closed under them; PostgreSQL notices when the statement that runs
   * there has ended. Without it nobody is waited for: a connection is closed
   * when it comes back.
   */
  readonly deadline?: number | undefined;
}

/** What a pool holds right now, and how long checkouts have waited so far. */
export interface PoolStatus {
  /** Connections lent. */
  readonly checkedOut: number;
  /** Connections kept and free; SQLAlchemy's "checked in". */
  readonly idle: number;
  /** Checkouts that wait for one. */
  readonly waiting: number;
  /**
   * Connections given back that are still being reset, or that the server has
   * not let go yet.
   */
  readonly closing: number;
  /** Connections that the pool keeps at most; 0 if it keeps none, or all. */
  readonly size: number;
  /**
   * Connections lent or idle beyond `size`. As in SQLAlchemy it is negative
   * while there are fewer (`checkedOut = size - idle + overflow`), and 0 where
   * there is no size.
   */
  readonly overflow: number;
  /** Checkouts that had to wait, those that gave up included. */
  readonly waits: number;
  /** Milliseconds that they waited, all together. */
  readonly waitTime: number;
}

/** Lends connections. */
export interface Pool {
  /** How many connections it lends at once; nothing where there is no limit. */
  readonly capacity?: number | undefined;

  /**
   * Whether it lends again what was given back: a session then keeps no
   * connection between reads that need no common transaction.
   */
  readonly reusesConnections?: boolean | undefined;

  /**
   * Borrows a connection.
   *
   * @param options Who borrows, and when to give up.
   * @returns A usable connection, to be given back exactly once.
   * @throws {PoolError} When the pool was disposed, none became free, or none
   * can become free because the holder's own parent has it.
   */
  checkout(options?: CheckoutOptions): Promise<Connection>;

  /**
   * Takes a connection back.
   *
   * @param connection One that this pool has lent.
   * @param options In which state it is.
   * @returns Settles when the connection is free for others, or closed;
   * nobody has to wait for it.
   * @throws {PoolError} When it was not lent, or given back before.
   */
  checkin(connection: Connection, options?: CheckinOptions): Promise<void>;

  /**
   * Says that a connection comes back when its last answer has arrived, without
   * its holder: to wait for it is no deadlock, and no second checkout.
   *
   * @param connection One that this pool has lent.
   */
  expect?(connection: Connection): void;

  /** Resolves when nothing is being given back or closed. */
  idle(): Promise<void>;

  /**
   * Closes what is free, refuses those who wait and lends nothing more; what
   * is lent is closed when it comes back, or at the deadline.
   *
   * @param options The deadline.
   */
  dispose(options?: DisposeOptions): Promise<void>;

  /** What the pool holds right now. */
  status(): PoolStatus;
}

/** Makes a pool over a driver, for `createEngine`. */
export type PoolFactory = (driver: Driver) => Pool;

/** A driver that says which pool suits it, where the user says nothing. */
export interface PooledDriver extends Driver {
  /** Makes that pool. */
  readonly defaultPool: PoolFactory;
}
