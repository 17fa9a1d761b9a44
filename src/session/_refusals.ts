import type { Statement } from "../driver/statement.ts";
import type { ErrorCode } from "../errors/codes.ts";
import type { NullpoolError } from "../errors/error.ts";
import { StateError } from "../errors/state_error.ts";
import type { SessionCall, SessionState } from "./session_state.ts";

/** What is known when a call is refused. */
interface Refused {
  /** Where the session stands. */
  readonly state: SessionState;
  /** What its transaction failed with. */
  readonly failure: NullpoolError | undefined;
  /** Where the last call of a kind came from, in development mode. */
  readonly placeOf: (call: SessionCall) => string;
  /** What to do once the session is closed. */
  readonly closedHint: string;
}

/**
 * The error for a call that the table of states refuses.
 *
 * @param call What was asked.
 * @param code What the table says.
 * @param refused What is known.
 */
export function refusal(
  call: SessionCall,
  code: ErrorCode,
  { state, failure, placeOf, closedHint }: Refused,
): StateError {
  const ending = state === "committing" ? "commit" : "rollback";
  switch (code) {
    case "SESSION_CLOSED":
      return closedError(call, placeOf("close"), closedHint);
    case "SESSION_BUSY":
      return busyError(call, ending, placeOf(ending));
    case "TRANSACTION_FAILED":
      return failedError(call, failure);
    default:
      return endedBlockError(call);
  }
}

/** A call that has to wait for another one of the same session. */
export function busyError(
  call: string,
  running: string,
  place = "",
): StateError {
  return new StateError(
    "SESSION_BUSY",
    `Cannot ${call}: ${running} of this session${place} is still running; await it first, or give parallel work a session each`,
  );
}

/** A handle that outlived its transaction or block. */
export function endedError(call: string): StateError {
  return new StateError(
    "TRANSACTION_ENDED",
    `Cannot ${call}: the transaction of this handle has ended; use the handle of an open one`,
  );
}

/** A block whose transaction somebody else has ended. */
export function strandedError(): StateError {
  return new StateError(
    "TRANSACTION_ENDED",
    "Cannot keep the work of this block: the transaction that it has joined was ended before it; await it inside the block that began that one",
  );
}

/** A statement that was not sent before its transaction, or savepoint, was rolled back. */
export function rolledBackError(): StateError {
  return new StateError(
    "TRANSACTION_ENDED",
    "Cannot execute: the transaction was rolled back before the statement was sent",
  );
}

/** A call inside a `begin(fn)` block whose transaction is over. */
function endedBlockError(call: string): StateError {
  return new StateError(
    "TRANSACTION_ENDED",
    `Cannot ${call}: the transaction of this block has ended; leave the block first`,
  );
}

/** A call that needs a transaction without failure. */
export function failedError(
  call: string,
  cause: NullpoolError | undefined,
): StateError {
  return new StateError(
    "TRANSACTION_FAILED",
    `Cannot ${call}: an earlier statement of this transaction failed; call rollback() first`,
    { cause },
  );
}

/**
 * Why a transaction failed, where all that is known of a call is that something
 * before it has.
 *
 * @param error What the call failed with.
 * @param transaction Its transaction.
 */
export function firstFailure(
  error: unknown,
  { failure }: { readonly failure: NullpoolError | undefined },
): unknown {
  const isLater = error instanceof StateError &&
    error.code === "TRANSACTION_FAILED";
  return isLater ? failure ?? error : error;
}

/** A commit of statements none of which was ever sent. */
export function neverBegunError(cause: unknown): StateError {
  return new StateError(
    "TRANSACTION_FAILED",
    "Cannot commit: none of its statements reached the server; call rollback() first",
    { cause },
  );
}

/** Work that needs a connection, of a driver that has none. */
export function noConnectionError(reason: string, place: string): StateError {
  return new StateError(
    "NO_CONNECTION",
    `Cannot execute${place}: a connection is needed, because ${reason}, and the driver has none; use enqueue() or add() and commit() for a write, or neon()`,
  );
}

/** Work that needs a connection, of a session that is told by a token. */
export function tokenError(reason: string, place: string): StateError {
  return new StateError(
    "NO_CONNECTION",
    `Cannot execute${place}: a connection is needed, because ${reason}, and it would not carry the session's "authToken"; use enqueue() or add() and commit() for a write, or settings such as "request.jwt.claims"`,
  );
}

/** A transaction that cannot be joined or changed. */
export function openError(call: string, obstacle: string): StateError {
  return new StateError(
    "TRANSACTION_OPEN",
    `Cannot ${call}: a transaction is open and ${obstacle}; commit or roll back first, or use beginNested()`,
  );
}

/** What needs a transaction where there is none by choice. */
export function autocommitError(call: string): StateError {
  return new StateError(
    "NO_TRANSACTION",
    `Cannot ${call}: the isolation level is "autocommit", so there is no transaction; use another level`,
  );
}

/** Work on a session that begins nothing by itself. */
export function notBegunError(call: string): StateError {
  return new StateError(
    "NO_TRANSACTION",
    `Cannot ${call}: no transaction was begun and the option "autobegin" is off; call begin() first`,
  );
}

/** PostgreSQL counts the parameters of a statement in 16 bits. */
const MAX_PARAMETERS = 65_535;

/**
 * Refuses a statement that PostgreSQL could not count the parameters of. Those
 * of a flush are written when they are sent, and have fewer.
 *
 * @param statement The statement, as its session was given it.
 * @throws {StateError} When it has too many.
 */
export function checkParameters({ params: { length } }: Statement): void {
  if (length <= MAX_PARAMETERS) return;
  throw new StateError(
    "TOO_MANY_PARAMETERS",
    `Cannot execute: the statement has ${length} parameters, and PostgreSQL takes ${MAX_PARAMETERS} at the most; send it in parts, give the rows to addAll(), or compare with an array in place of a list`,
  );
}

/** SQL that would begin or end a transaction without the session's knowledge. */
export function rawControlError(): StateError {
  return new StateError(
    "TRANSACTION_OPEN",
    "Cannot execute: the statement would begin or end a transaction behind the session's back; call begin(), commit() or rollback() of the session",
  );
}

/** A call through the outer handle while a nested block is open. */
export function openBlockError(call: string, place = ""): StateError {
  return new StateError(
    "NESTED_BLOCK_OPEN",
    `Cannot ${call}: a nested block${place} is open on this session; use the handle it was given, or wait until it has ended`,
  );
}

/** A commit of what was marked to be rolled back. */
export function rollbackOnlyError(): StateError {
  return new StateError(
    "ROLLBACK_ONLY",
    "Cannot commit: setRollbackOnly() was called; call rollback() instead",
  );
}

/** Any work on a session that is closed. */
function closedError(call: string, place: string, hint: string): StateError {
  return new StateError(
    "SESSION_CLOSED",
    `Cannot ${call}: the session is closed${place}; ${hint}`,
  );
}
