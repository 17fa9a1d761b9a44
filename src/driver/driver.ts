import type { Connection } from "./connection.ts";
import type { PoolHolder } from "./pool_holder.ts";
import type { FlightResult, Statement } from "./statement.ts";
import type { TransactionOptions } from "./transaction_sql.ts";

/** Where a database is. */
export interface DatabaseAddress {
  /** Host name or address. */
  readonly host: string;
  /** Port. */
  readonly port: number;
  /** Its name. */
  readonly database: string;
}

/** How a driver opens a connection. */
export interface ConnectOptions {
  /** Gives up waiting for the connection. */
  readonly signal?: AbortSignal | undefined;
  /** For whom it is opened, as events tell it; a driver has no use for it. */
  readonly holder?: PoolHolder | undefined;
}

/** How a whole transaction is sent. */
export interface SendOptions extends TransactionOptions {
  /** Gives up waiting for the answer. */
  readonly signal?: AbortSignal | undefined;
  /** Who asks, as a JSON Web Token, where the endpoint takes one. */
  readonly authToken?: string | undefined;
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
   * nature (PGlite: 1; Neon over HTTP alone: 0).
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
   * Says where it connects to, as telemetry wants it: nothing as long as that
   * is not known, or where there is no server.
   */
  readonly address?: (() => DatabaseAddress | undefined) | undefined;

  /**
   * Sends a whole transaction as one flight without a connection, where the
   * driver has such a transport (Neon's protocol over HTTP). It never rejects.
   * Where it fails there are no results, and nobody may know which statement
   * it was.
   */
  readonly sendTransaction?:
    | ((
      statements: readonly Statement[],
      options: SendOptions,
    ) => Promise<FlightResult>)
    | undefined;

  /** About how many bytes such a transaction may have. */
  readonly maxBatchBytes?: number | undefined;

  /** How many parameters a statement of such a transaction may have. */
  readonly maxBatchParams?: number | undefined;

  /** Frees what the driver itself opened, such as an embedded database. */
  readonly dispose?: (() => Promise<void>) | undefined;
}
