import type { Duplex } from "node:stream";
import pg from "pg";

/** The socket below a client of `pg`. */
export interface BackendStream extends Duplex {
  /** Opens it; reports by the event `connect`. */
  connect(port: number, host: string): unknown;
  /** Turns Nagle's algorithm off. */
  setNoDelay(noDelay: boolean): unknown;
}

/** One column as PostgreSQL describes it. */
export interface FieldDescription {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
}

/** The protocol connection inside a client of `pg`. */
export interface PgConnection {
  readonly stream: BackendStream;
  parse(message: { text: string }): unknown;
  bind(message: { values: readonly (string | null)[] }): unknown;
  describe(message: { type: "P" }): unknown;
  execute(message: Record<never, never>): unknown;
  sync(): unknown;
  on(
    event: "parameterStatus",
    listener: (
      message: { parameterName: string; parameterValue: string },
    ) => void,
  ): unknown;
}

/** A query that writes its own messages, as `pg` accepts it. */
export interface PgSubmittable {
  /** Read by `query()`, which otherwise would add a property. */
  callback(): void;
  submit(connection: PgConnection): null;
  handleRowDescription(
    message: { readonly fields: readonly FieldDescription[] },
  ): void;
  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void;
  handleCommandComplete(message: { readonly text: string }): void;
  handleEmptyQuery(): void;
  handlePortalSuspended(): void;
  handleCopyInResponse(): void;
  handleCopyData(): void;
  handleError(error: unknown): void;
  handleReadyForQuery(): void;
}

/** The part of `pg`'s client that is used. */
export interface PgClient {
  readonly connection: PgConnection;
  readonly processID: number | null;
  readonly secretKey: number | null;
  connect(): Promise<unknown>;
  query(submittable: PgSubmittable): unknown;
  query(text: string): Promise<unknown>;
  end(): Promise<unknown>;
  on(event: "error" | "end", listener: () => void): unknown;
}

/** How a client of `pg` is told where and as whom to log in. */
export interface PgClientConfig {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** A function, because `pg` takes an empty string for "ask the environment". */
  readonly password: () => string;
  readonly ssl: boolean;
  readonly application_name?: string;
  readonly options?: string;
  readonly stream?: () => BackendStream;
}

/** The client class of `pg`, which ships no types. */
export const PgClient: new (config: PgClientConfig) => PgClient = pg.Client;
