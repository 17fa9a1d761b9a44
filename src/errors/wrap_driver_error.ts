import {
  ConnectionError,
  type ConnectionErrorOptions,
} from "./connection_error.ts";
import {
  DatabaseError,
  type DatabaseErrorOptions,
  IntegrityError,
  SerializationError,
  StaleDataError,
} from "./database_error.ts";
import { NullpoolError } from "./error.ts";
import { quotesValue } from "./quotes_value.ts";
import { describeSqlstate, hasSafeText } from "./sqlstate.ts";
import { StateError } from "./state_error.ts";

/** What is known about the moment in which a driver failed. */
export interface DriverFailureContext {
  /** Names the database, such as `database "app" at host:5432`. */
  readonly database: string;
  /** Whether the server may have acted on what was sent. */
  readonly maybeExecuted: boolean;
  /** Whether the failure happened before the connection was established. */
  readonly connecting: boolean;
  /** Whether server texts that may quote values are passed on. */
  readonly exposeServerDetail: boolean;
  /** What the server answered, if it was a statement. */
  readonly statement?: FailedStatement | undefined;
}

/** A statement and the values that the server's text must not repeat. */
export interface FailedStatement {
  /** SQL text, without values. */
  readonly text: string;
  /** Encoded values. */
  readonly params: readonly (string | null)[];
  /** How a wrong number of rows is told, where the statement checks it. */
  readonly stale?: StaleCheck | undefined;
}

/** What a statement says that finds another number of rows than it must. */
export interface StaleCheck {
  /** Tells it from others that travel with it. */
  readonly key: string;
  /** The table. */
  readonly table: string;
  /** What was tried on which key, such as `update "users" by "id"`. */
  readonly attempt: string;
  /** Whether its rows are new: nobody else can have changed them. */
  readonly isInsert: boolean;
  /** How many rows there had to be. */
  readonly expected: number;
}

/** The fields of a server error, as `pg` and its relatives name them. */
export interface ServerErrorFields {
  readonly message: string;
  readonly code: string;
  readonly severity?: string;
  readonly detail?: string;
  readonly constraint?: string;
  readonly table?: string;
  readonly column?: string;
}

/**
 * Turns whatever a driver threw into an error of ours, redacted: no parameter
 * value, no password, no URL, and never the driver's own object as `cause`.
 *
 * @param error What the driver threw.
 * @param context What is known about the moment.
 * @returns A `DatabaseError` for an answer of the server, a `StateError` where
 * an insert has not brought its rows back, else a `ConnectionError`; errors of
 * this library pass unchanged.
 */
export function wrapDriverError(
  error: unknown,
  context: DriverFailureContext,
): NullpoolError {
  if (error instanceof NullpoolError) return error;
  const { connecting, database, maybeExecuted } = context;
  if (!isServerError(error)) {
    const options = { cause: redact(error), maybeExecuted };
    const reason = transportReason(error);
    return connecting
      ? connectError(database, reason, options)
      : lostError(database, reason, options);
  }
  const message = serverMessage(error, context);
  if (connecting || refusesLogin(error)) {
    return connectError(database, message, {});
  }
  if (endsConnection(error)) {
    return lostError(database, message, { maybeExecuted });
  }
  return staleError(error, context.statement) ?? databaseError(error, message);
}

function connectError(
  database: string,
  reason: string,
  options: ConnectionErrorOptions,
): ConnectionError {
  const message = `Cannot connect to ${database}: ${reason}`;
  return new ConnectionError("CONNECT_FAILED", message, options);
}

function lostError(
  database: string,
  reason: string,
  options: ConnectionErrorOptions,
): ConnectionError {
  const message = `Lost the connection to ${database}: ${reason}`;
  return new ConnectionError("CONNECTION_LOST", message, options);
}

/** What such a statement says: its key, and how many rows it has found. */
const STALE = /nullpool:stale:(\w+):(\d+)/;

/**
 * Which statement of a flight failed, where its text says so.
 *
 * @param error What the driver threw.
 * @param statements The flight.
 * @returns Its place.
 */
export function staleStatement(
  error: unknown,
  statements: readonly { readonly stale?: StaleCheck | undefined }[],
): number | undefined {
  if (!isServerError(error)) return undefined;
  const key = STALE.exec(error.message)?.[1];
  const at = statements.findIndex(({ stale }) =>
    stale !== undefined && stale.key === key
  );
  return at < 0 ? undefined : at;
}

/**
 * A statement that counts its rows fails with a text of its own, as the input
 * of a number: the server decides inside the flight.
 */
function staleError(
  { code, message }: ServerErrorFields,
  { stale }: Partial<FailedStatement> = {},
): NullpoolError | undefined {
  const [, key, count] = STALE.exec(message) ?? [];
  if (code !== "22P02" || key === undefined || key !== stale?.key) return;
  const { table, attempt, isInsert, expected } = stale;
  const rows = `Cannot ${attempt}: ${count} of ${expected} rows`;
  if (isInsert) {
    return new StateError(
      "ROW_NOT_RETURNED",
      `${rows} came back under their keys; a trigger has skipped the others, or changed their keys`,
    );
  }
  return new StaleDataError(
    `${rows} are as they were loaded; call rollback() and run the unit of work again`,
    { table, found: Number(count) },
  );
}

/**
 * Whether the server closed the connection along with this error. It says so in
 * the language of its `lc_messages`, and drivers hand on that word alone.
 */
export function endsConnection(error: unknown): boolean {
  if (!isServerError(error)) return false;
  const { severity, code } = error;
  if (severity === "FATAL" || severity === "PANIC") return true;
  return severity !== "ERROR" && LAST_WORDS.test(code);
}

/**
 * With what PostgreSQL ends a session or has none to give, and nothing else: a
 * limit on idling or on a transaction, too many connections, a server that goes
 * down or is not up. A refused login is known by its moment; functions that
 * check passwords of their own raise its SQLSTATEs.
 */
const LAST_WORDS = /^(?:25P0[34]|53300|57P0[1-5])$/;

function databaseError(
  error: ServerErrorFields,
  message: string,
): DatabaseError {
  const options: DatabaseErrorOptions = {
    sqlstate: error.code,
    constraint: error.constraint,
    table: error.table,
    column: error.column,
  };
  if (error.code.startsWith("23")) {
    return new IntegrityError("INTEGRITY_VIOLATION", message, options);
  }
  if (error.code === "40001" || error.code === "40P01") {
    return new SerializationError("SERIALIZATION_FAILURE", message, options);
  }
  return new DatabaseError("DATABASE_ERROR", message, options);
}

function serverMessage(
  error: ServerErrorFields,
  { exposeServerDetail, statement }: DriverFailureContext,
): string {
  const state = describeSqlstate(error.code);
  if (exposeServerDetail) {
    const detail = error.detail === undefined ? "" : ` (${error.detail})`;
    return `${state}: ${error.message}${detail}`;
  }
  const { text = "", params = [] } = statement ?? {};
  if (
    hasSafeText(error.code) && !quotesValue(error.message, text, params)
  ) {
    return `${state}: ${error.message}`;
  }
  const places = [
    error.table && `table "${error.table}"`,
    error.column && `column "${error.column}"`,
    error.constraint && `constraint "${error.constraint}"`,
  ].filter(Boolean);
  return places.length === 0 ? state : `${state} on ${places.join(", ")}`;
}

/**
 * With what PostgreSQL refuses a login: the role, the database, the right to
 * connect, too many connections, a database or a server that takes none.
 */
const REFUSALS = /^(?:28...|3D000|42501|53300|55000|57P03)$/;

/**
 * With what PgBouncer ends a client that waits for a connection of the server,
 * and gets none: it has sent nothing on of what was said (`check_fast_fail` and
 * `pool_client_maint` of its sources).
 */
const NO_SERVER = /^(?:query_wait_timeout$|server login has been failing)/;

/**
 * Whether a login was refused. An endpoint that logs in for us, or a tunnel that
 * pipelines the password, says so in the answer to a statement. Statements fail
 * with these SQLSTATEs as well, but none of those failures ends the session.
 */
function refusesLogin(error: ServerErrorFields): boolean {
  if (!endsConnection(error)) return false;
  return REFUSALS.test(error.code) ||
    (error.code === "08P01" && NO_SERVER.test(error.message));
}

/**
 * Whether an error has what PostgreSQL says of one.
 *
 * @param error What a driver threw, or an endpoint answered.
 */
export function isServerError(error: unknown): error is ServerErrorFields {
  return typeof error === "object" && error !== null &&
    "code" in error && typeof error.code === "string" &&
    /^[0-9A-Z]{5}$/.test(error.code) && "message" in error &&
    typeof error.message === "string" && "severity" in error;
}

/** The reason of a transport failure: its system code, else its message. */
function transportReason(error: unknown): string {
  if (typeof error === "object" && error !== null) {
    if ("code" in error && typeof error.code === "string") return error.code;
    if ("message" in error && typeof error.message === "string") {
      return withoutUrls(error.message) || "connection closed";
    }
  }
  return "connection closed";
}

function redact(error: unknown): Error {
  const copy = new Error(transportReason(error));
  if (error instanceof Error) copy.name = error.name;
  return copy;
}

/**
 * Takes the URLs out of a text: they may have a password, and any word.
 *
 * @param text What a driver says.
 */
export function withoutUrls(text: string): string {
  return text.replace(/\b[a-z][a-z0-9+.-]*:\/\/\S+/gi, "<url>");
}
