import type { ErrorCode } from "./codes.ts";

/** What else an error carries. */
export interface NullpoolErrorOptions {
  /** The failure that led to this one, already redacted. */
  readonly cause?: unknown;
}

/**
 * The root of every error this library makes.
 *
 * Branch on `code`, not on the message: {@linkcode ErrorCode} lists each code
 * with what happened and what to do.
 *
 * @example Branch on the code
 * ```ts
 * import { NullpoolError } from "@nullpool/db";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new NullpoolError("SESSION_CLOSED", "Cannot execute: the session is closed");
 * assertEquals(error.code, "SESSION_CLOSED");
 * ```
 */
export class NullpoolError extends Error {
  /** The name of the class; kept as text because bundlers rename classes. */
  override readonly name: string = "NullpoolError";

  /** What happened, for programs. */
  readonly code: ErrorCode;

  /**
   * Failures met while this one was handled, such as a rollback on a dead
   * connection. They never take the place of the first error.
   */
  readonly suppressed: unknown[] = [];

  /**
   * Creates an error.
   *
   * @param code What happened, for programs.
   * @param message What happened and what to do, without any value or secret.
   * @param options The cause.
   */
  constructor(
    code: ErrorCode,
    message: string,
    options: NullpoolErrorOptions = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
  }
}

/**
 * Gives an error the entities it is about. They hold values, so they are kept
 * from JSON and from printing.
 *
 * @param error The error.
 * @param entities What it is about.
 */
export function hideEntities(
  error: NullpoolError,
  entities: readonly object[],
): void {
  Object.defineProperty(error, "entities", {
    value: entities,
    enumerable: false,
    writable: true,
    configurable: true,
  });
}
