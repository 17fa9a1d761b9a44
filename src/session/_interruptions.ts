import { ConnectionError } from "../errors/connection_error.ts";

/** A statement whose answer did not come in time. */
export function statementTimeoutError(
  timeout: number,
  option = "statementTimeout",
): ConnectionError {
  return new ConnectionError(
    "STATEMENT_TIMEOUT",
    `Cannot execute: there was no answer for ${timeout} ms, so the statement was cancelled; raise "${option}" if it needs longer`,
    { maybeExecuted: true },
  );
}

/** A transaction that was open for too long. */
export function transactionTimeoutError(timeout: number): ConnectionError {
  return new ConnectionError(
    "TRANSACTION_TIMEOUT",
    `Cannot execute: the transaction was open for ${timeout} ms, and was rolled back; end it sooner, or raise "transactionTimeout"`,
    { maybeExecuted: true },
  );
}

/** Work that somebody has called off. */
export function abortedError(cause: unknown): ConnectionError {
  return new ConnectionError(
    "ABORTED",
    "Cannot execute: the signal has fired, and the transaction was rolled back",
    { cause, maybeExecuted: true },
  );
}
