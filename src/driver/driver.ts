import type { Connection } from "./connection.ts";
import type { FlightResult, Statement } from "./statement.ts";
import type { TransactionOptions } from "./transaction_sql.ts";

/** How a driver opens a connection. */
export interface ConnectOptions {
  /** Gives up waiting for the connection. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Knows how to open a connection and how to send one flight.
 *
 * A driver is made once per process or isolate and holds no connection.
 */
export interface Driver {
  /** Its name in messages and events, such as `postgres`. */
  readonly name: string;

  /**
   * How many connections it can have at once, where that is bounded by its
   * nature (PGlite: 1). The engine then keeps one instead of opening one each
   * time.
   */
  readonly maxConnections?: number | undefined;

  /**
   * Opens a connection.
   *
   * @param options When to give up.
   * @returns The connection, which the caller closes.
   */
  connect(options?: ConnectOptions): Promise<Connection>;

  /**
   * Says where it connects to, without user, password or parameters, such as
   * `database "app" at db.example.com:5432`.
   */
  describe(): string;

  /**
   * Sends a whole transaction as one flight without a connection, where the
   * driver has such a transport (Neon's protocol over HTTP).
   */
  readonly sendTransaction?:
    | ((
      statements: readonly Statement[],
      options: TransactionOptions,
    ) => Promise<FlightResult>)
    | undefined;

  /** Frees what the driver itself opened, such as an embedded database. */
  readonly dispose?: (() => Promise<void>) | undefined;
}
