import { StateError } from "../errors/state_error.ts";

/** A call that has to wait for another one of the same session. */
export function busyError(call: string, running: string): StateError {
  return new StateError(
    "SESSION_BUSY",
    `Cannot ${call}: ${running} of this session is still running; await it first, or give parallel work a session each`,
  );
}

/** A handle that outlived its transaction or block. */
export function endedError(call: string): StateError {
  return new StateError(
    "TRANSACTION_ENDED",
    `Cannot ${call}: the transaction of this handle has ended; use the handle of an open one`,
  );
}

/** A transaction that cannot be joined or changed. */
export function openError(call: string, obstacle: string): StateError {
  return new StateError(
    "TRANSACTION_OPEN",
    `Cannot ${call}: a transaction is open and ${obstacle}; commit or roll back first, or use beginNested()`,
  );
}

/** A call through the outer handle while a nested block is open. */
export function openBlockError(call: string): StateError {
  return new StateError(
    "NESTED_BLOCK_OPEN",
    `Cannot ${call}: a nested block is open on this session; use the handle it was given, or wait until it has ended`,
  );
}
