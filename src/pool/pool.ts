import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";

/** How a connection is borrowed. */
export interface CheckoutOptions {
  /** Gives up waiting. */
  readonly signal?: AbortSignal | undefined;
}

/** How a connection is given back. */
export interface CheckinOptions {
  /**
   * Whether to throw it away: its transaction may still be open, or its
   * protocol out of step.
   *
   * @default {false}
   */
  readonly discard?: boolean;
}

/** What a pool holds right now. */
export interface PoolStatus {
  /** Connections lent. */
  readonly checkedOut: number;
  /** Connections kept and free. */
  readonly idle: number;
  /** Checkouts that wait for one. */
  readonly waiting: number;
  /** Connections given back that the server has not let go yet. */
  readonly closing: number;
}

/** Lends connections. */
export interface Pool {
  /**
   * Borrows a connection.
   *
   * @param options When to give up.
   * @returns A usable connection, to be given back exactly once.
   * @throws {PoolError} When the pool was disposed or none became free.
   */
  checkout(options?: CheckoutOptions): Promise<Connection>;

  /**
   * Takes a connection back.
   *
   * @param connection One that this pool has lent.
   * @param options Whether to throw it away.
   * @returns Settles when the connection is free for others, or closed;
   * nobody has to wait for it.
   * @throws {PoolError} When it was not lent, or given back before.
   */
  checkin(connection: Connection, options?: CheckinOptions): Promise<void>;

  /** Resolves when nothing is being given back or closed. */
  idle(): Promise<void>;

  /**
   * Closes what is free and lends nothing more; what is lent is closed when
   * it comes back.
   */
  dispose(): Promise<void>;

  /** What the pool holds right now. */
  status(): PoolStatus;
}

/** Makes a pool over a driver, for `createEngine`. */
export type PoolFactory = (driver: Driver) => Pool;
