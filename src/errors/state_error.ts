import type { ErrorCode } from "./codes.ts";
import {
  hideEntities,
  NullpoolError,
  type NullpoolErrorOptions,
} from "./error.ts";

/** What else a {@linkcode StateError} carries. */
export interface StateErrorOptions extends NullpoolErrorOptions {
  /**
   * The entities concerned.
   *
   * @default {[]}
   */
  readonly entities?: readonly object[];
}

/**
 * The caller broke a rule of sessions: a closed session, an ended transaction,
 * two calls at once. Nothing was sent.
 *
 * @example A closed session
 * ```ts
 * import { createEngine, sessionmaker, StateError } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertRejects } from "@std/assert";
 *
 * const Session = sessionmaker(createEngine(recordingDriver()));
 * const session = Session();
 * await session.close();
 * await assertRejects(() => session.begin(), StateError, "closed");
 * ```
 */
export class StateError extends NullpoolError {
  /** The name of the class. */
  override readonly name: string = "StateError";

  /**
   * The entities concerned, where it is about the unit of work; no part of the
   * error's JSON, because they hold values.
   */
  declare readonly entities: readonly object[];

  /**
   * Creates an error.
   *
   * @param code What happened, for programs.
   * @param message What happened and what to do, without any value or secret.
   * @param options The cause, and the entities concerned.
   */
  constructor(
    code: ErrorCode,
    message: string,
    { entities = [], ...options }: StateErrorOptions = {},
  ) {
    super(code, message, options);
    hideEntities(this, entities);
  }
}

/**
 * No session belongs to the running task, or tasks cannot be told apart.
 *
 * @example A query outside any scope
 * ```ts
 * import { createEngine, ScopeError, sessionmaker } from "@nullpool/db";
 * import { scopedSession } from "@nullpool/db/scoped";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertThrows } from "@std/assert";
 *
 * const scope = scopedSession(sessionmaker(createEngine(recordingDriver())));
 * assertThrows(() => scope.current, ScopeError, "scope.run");
 * ```
 */
export class ScopeError extends StateError {
  /** The name of the class. */
  override readonly name: string = "ScopeError";
}
