import type { ErrorCode } from "./codes.ts";
import {
  hideEntities,
  NullpoolError,
  type NullpoolErrorOptions,
} from "./error.ts";

/** What the server said about its refusal. */
export interface DatabaseErrorOptions extends NullpoolErrorOptions {
  /** Five characters, such as `"23505"`. */
  readonly sqlstate: string;
  /** The constraint concerned. */
  readonly constraint?: string | undefined;
  /** The table concerned. */
  readonly table?: string | undefined;
  /** The column concerned. */
  readonly column?: string | undefined;
}

/**
 * The database refused a statement.
 *
 * The server's text is kept only where it cannot quote a value (SQLSTATE
 * classes 08, 25, 40, 42, 53, 55 and 57); elsewhere the message is made of the
 * SQLSTATE's name, the table, the column and the constraint.
 *
 * @example Branch on the SQLSTATE
 * ```ts
 * import { DatabaseError } from "@nullpool/db";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new DatabaseError("DATABASE_ERROR", "42P01: no such table", {
 *   sqlstate: "42P01",
 * });
 * assertEquals(error.sqlstate, "42P01");
 * ```
 */
export class DatabaseError extends NullpoolError {
  /** The name of the class. */
  override readonly name: string = "DatabaseError";

  /** Five characters, such as `"23505"` (PostgreSQL, Appendix A). */
  readonly sqlstate: string;
  /** The constraint concerned, where the server named one. */
  readonly constraint: string | undefined;
  /** The table concerned, where the server named one. */
  readonly table: string | undefined;
  /** The column concerned, where the server named one. */
  readonly column: string | undefined;

  /**
   * Creates an error.
   *
   * @param code What happened, for programs.
   * @param message What happened, without any value.
   * @param options What the server said.
   */
  constructor(code: ErrorCode, message: string, options: DatabaseErrorOptions) {
    super(code, message, options);
    this.sqlstate = options.sqlstate;
    this.constraint = options.constraint;
    this.table = options.table;
    this.column = options.column;
  }
}

/**
 * A constraint was violated (SQLSTATE class 23).
 *
 * @example Which constraint
 * ```ts
 * import { IntegrityError } from "@nullpool/db";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new IntegrityError("INTEGRITY_VIOLATION", "23505 unique_violation", {
 *   sqlstate: "23505",
 *   constraint: "users_email_key",
 * });
 * assertEquals(error.constraint, "users_email_key");
 * ```
 */
export class IntegrityError extends DatabaseError {
  /** The name of the class. */
  override readonly name: string = "IntegrityError";
}

/**
 * The transaction lost against another one (SQLSTATE 40001 or 40P01): run the
 * whole unit of work again.
 *
 * @example Which of the two
 * ```ts
 * import { SerializationError } from "@nullpool/db";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new SerializationError("SERIALIZATION_FAILURE", "40P01 deadlock_detected", {
 *   sqlstate: "40P01",
 * });
 * assertEquals(error.sqlstate, "40P01");
 * ```
 */
export class SerializationError extends DatabaseError {
  /** The name of the class. */
  override readonly name: string = "SerializationError";
}

/** What a {@linkcode StaleDataError} tells. */
export interface StaleDataErrorOptions {
  /** The table concerned. */
  readonly table: string;
  /** How many rows the statement found. */
  readonly found: number;
}

/**
 * An update or delete of the unit of work found another number of rows than
 * the session had loaded: somebody else changed or removed one. The
 * transaction is undone; run the unit of work again.
 *
 * As `StaleDataError` in SQLAlchemy (`lib/sqlalchemy/orm/exc.py`).
 *
 * @example Which entities
 * ```ts
 * import { StaleDataError } from "@nullpool/db";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new StaleDataError("Cannot update", { table: "users", found: 0 });
 * error.entities = [{ id: 1 }];
 * assertEquals(error.code, "STALE_DATA");
 * assertEquals(JSON.stringify(error).includes("entities"), false);
 * ```
 */
export class StaleDataError extends DatabaseError {
  /** The name of the class. */
  override readonly name: string = "StaleDataError";

  /** How many rows the statement found. */
  readonly found: number;

  /** The entities of the statement; no part of the error's JSON. */
  declare entities: readonly object[];

  /**
   * Creates an error.
   *
   * @param message What happened, naming table and key columns.
   * @param options The table, and how many rows were found.
   */
  constructor(message: string, { table, found }: StaleDataErrorOptions) {
    super("STALE_DATA", message, { sqlstate: "40001", table });
    this.found = found;
    hideEntities(this, []);
  }
}

/**
 * The SQLSTATE of an error, where it is the server that has refused something:
 * a number of rows is refused by us.
 *
 * @param error Anything that was thrown.
 */
export function sqlstateOf(error: unknown): string | undefined {
  const isRefused = error instanceof DatabaseError &&
    !(error instanceof StaleDataError);
  return isRefused ? error.sqlstate : undefined;
}
