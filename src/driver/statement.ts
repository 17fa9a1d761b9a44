import type { StateError } from "../errors/state_error.ts";
import type { StaleCheck } from "../errors/wrap_driver_error.ts";
import type { WireParameter } from "./parameter.ts";

/**
 * One SQL statement with its parameters.
 *
 * Statements are data: they are made where SQL is compiled, planned into
 * flights in the session and turned into protocol messages by the driver.
 */
export interface Statement {
  /** SQL text with placeholders `$1`, `$2`, ... */
  readonly text: string;
  /** Encoded values in placeholder order; those of a long list are made when they are asked for. */
  readonly params: readonly WireParameter[];
  /** Whether rows come back as objects by column name, as arrays, or not at all. */
  readonly rowMode: "object" | "array" | "none";
  /**
   * What it may do. `write`: anything. `read`: it leaves the database as it
   * was, but for what a function that it calls may do. `pure`: it reads tables
   * and computes, and nothing else, so nobody can tell in which transaction it
   * runs.
   */
  readonly access: "pure" | "read" | "write";
  /**
   * Whether an answer that is a little old will do: a read whose rows nobody
   * keeps track of.
   */
  readonly mayLag?: boolean | undefined;
  /** Whether nobody has asked for it, such as the settings of a transaction. */
  readonly isOwn?: boolean | undefined;
  /** How a wrong number of rows is told, where the statement checks it. */
  readonly stale?: StaleCheck | undefined;
  /**
   * Called when its own answer is there, while those behind it in the flight
   * are awaited, by drivers that can tell. Its rows are not among the results
   * of the flight then, which may fail later on.
   */
  readonly onAnswer?: ((result: Result) => void) | undefined;
}

/** A column of a result, as PostgreSQL's RowDescription gives it. */
export interface Field {
  /** Column name. */
  readonly name: string;
  /** OID of its type. */
  readonly dataTypeID: number;
  /** OID of the table it comes from, or 0. */
  readonly tableID: number;
  /** Its number in that table, or 0. */
  readonly columnID: number;
  /** Bytes of the type, negative for variable length. */
  readonly dataTypeSize: number;
  /** Type modifier, such as the length of a `varchar`. */
  readonly dataTypeModifier: number;
}

/** What one statement came back with. */
export interface Result {
  /** Rows in the statement's row mode. */
  readonly rows: unknown[];
  /** The first word of the command tag, such as `SELECT` or `INSERT`. */
  readonly command: string;
  /** Rows returned or affected; `null` where the command counts none. */
  readonly rowCount: number | null;
  /** The columns of the rows. */
  readonly fields: readonly Field[];
  /** Whether it was committed, and its answer lost: there are no rows then. */
  readonly isLost?: boolean;
  /**
   * Why its rows cannot be read, although the server has done it: a type parser
   * threw. Whoever asks for the rows gets it thrown.
   */
  readonly unreadable?: StateError;
}

/**
 * What a flight came back with: the results of the statements that ran, in
 * order, and the failure of the one behind them, if there was one. PostgreSQL
 * skips the rest of a flight after a failure.
 */
export interface FlightResult {
  /** One result for each statement that succeeded. */
  readonly results: readonly Result[];
  /**
   * What the driver threw for statement number `results.length`, or for the
   * whole flight when the connection broke.
   */
  readonly failure?: unknown;
  /**
   * Whether the failure refuses the login that has travelled ahead, or there is
   * nobody to log in to: nothing was run. Drivers say so that send a flight
   * before they are logged in.
   */
  readonly isLoginRefused?: boolean;
  /** Whether nothing was sent: the connection was known to be lost, or there is none. */
  readonly isUnsent?: boolean;
}

/**
 * Makes a statement whose rows nobody reads, such as `commit`.
 *
 * @param text SQL text.
 * @param params Values in placeholder order.
 * @returns The statement.
 */
export function command(
  text: string,
  params: readonly WireParameter[] = [],
): Statement {
  return { text, params, rowMode: "none", access: "read" };
}

/**
 * Whether a statement may write: also a read does by a function that it calls.
 * What may lag calls none that is not known.
 *
 * @param statement What is to be run.
 */
export function mayWrite({ access, mayLag }: Statement): boolean {
  return access === "write" || (access === "read" && mayLag !== true);
}

/**
 * A result whose rows are going to be read.
 *
 * @param result What a statement came back with.
 * @returns The same.
 * @throws {StateError} When they cannot be read.
 */
export function readable(result: Result): Result {
  if (result.unreadable !== undefined) throw result.unreadable;
  return result;
}

/**
 * The rows of a statement of our own, which fail nothing.
 *
 * @param result What it came back with, if it did.
 * @returns None where they cannot be read: somebody's parser of a plain type
 * throws.
 */
export function ownRows(result: Result | undefined): readonly unknown[] {
  return result === undefined || result.unreadable !== undefined
    ? []
    : result.rows;
}
