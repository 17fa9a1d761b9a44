import type { ErrorCode } from "./codes.ts";
import { NullpoolError, type NullpoolErrorOptions } from "./error.ts";

/** What else a {@linkcode ConnectionError} carries. */
export interface ConnectionErrorOptions extends NullpoolErrorOptions {
  /**
   * Whether the server may have acted on what was sent.
   *
   * @default {false}
   */
  readonly maybeExecuted?: boolean;
}

/**
 * The transport failed: no connection, or one that broke.
 *
 * @example Say whether a retry is safe
 * ```ts
 * import { ConnectionError } from "@nullpool/db";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ConnectionError("CONNECT_FAILED", "Cannot connect to host:5432");
 * assertEquals(error.maybeExecuted, false);
 * ```
 */
export class ConnectionError extends NullpoolError {
  /** The name of the class. */
  override readonly name: string = "ConnectionError";

  /** Whether the server may have acted on what was sent. */
  readonly maybeExecuted: boolean;

  /**
   * Creates an error.
   *
   * @param code What happened, for programs.
   * @param message What happened, naming host and database but no secret.
   * @param options The cause, and whether the server may have acted.
   */
  constructor(
    code: ErrorCode,
    message: string,
    options: ConnectionErrorOptions = {},
  ) {
    super(code, message, options);
    this.maybeExecuted = options.maybeExecuted ?? false;
  }
}

/**
 * The answer to COMMIT was lost: the transaction is neither known to be done
 * nor known to be undone.
 *
 * @example Catch it before anything else
 * ```ts
 * import { CommitOutcomeError, ConnectionError } from "@nullpool/db";
 * import { assert, assertFalse } from "@std/assert";
 *
 * const error: unknown = new CommitOutcomeError("The answer to COMMIT was lost");
 * assert(error instanceof CommitOutcomeError);
 * assertFalse(error instanceof ConnectionError);
 * ```
 */
export class CommitOutcomeError extends NullpoolError {
  /** The name of the class. */
  override readonly name: string = "CommitOutcomeError";

  /**
   * Creates an error.
   *
   * @param message What happened.
   * @param options The cause.
   */
  constructor(message: string, options: NullpoolErrorOptions = {}) {
    super("COMMIT_OUTCOME_UNKNOWN", message, options);
  }
}
