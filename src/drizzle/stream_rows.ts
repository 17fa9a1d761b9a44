import type { Result, Statement } from "../driver/statement.ts";
import { checkCount } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { StateError } from "../errors/state_error.ts";
import {
  ANY_TABLE,
  NO_TABLE,
  type StatementTables,
} from "../session/statement_tables.ts";
import type { SessionHandle } from "../session/session_core.ts";

/** How {@linkcode Session.stream} reads. */
export interface StreamOptions {
  /**
   * Rows per round trip.
   *
   * @default {100}
   */
  readonly batchSize?: number;
  /**
   * Ends the reading at the next row, or behind the batch that is awaited; the
   * cursor is closed. What has to end at once is cancelled by the signal of the
   * transaction.
   */
  readonly signal?: AbortSignal;
}

const STREAM_OPTIONS: OptionNames<StreamOptions> = {
  batchSize: true,
  signal: true,
};

/** How a cursor reads. */
interface CursorOptions extends StreamOptions {
  /** Tells which tables the statement is about. */
  readonly tablesOf?: () => StatementTables;
}

/**
 * Reads a statement's rows through a cursor of the session's transaction
 * (PostgreSQL, `DECLARE`), which is closed when the reader stops, throws or
 * gives up.
 *
 * @param issuer Through whom statements are issued.
 * @param statement A select.
 * @param map Turns rows into what the query describes.
 * @param options How it reads.
 * @throws {RangeError} When `batchSize` is not a whole number above zero.
 */
export async function* streamRows(
  issuer: SessionHandle,
  statement: Statement,
  map: (result: Result) => unknown,
  { tablesOf = () => ANY_TABLE, ...options }: CursorOptions,
): AsyncGenerator<unknown, void, void> {
  checkOptionNames("a stream", options, STREAM_OPTIONS);
  const { batchSize = 100, signal } = options;
  checkCount("batchSize", batchSize, 1);
  signal?.throwIfAborted();
  const { core } = issuer;
  if (core.isAutocommit) throw noTransaction();
  const cursor = core.newCursorName();
  // A cursor needs a transaction that stays open.
  const access = statement.access === "pure" ? "read" : statement.access;
  const run = (text: string) =>
    core.execute(
      issuer,
      { ...statement, text, params: [], access },
      () => NO_TABLE,
    );
  const fetch = () => run(`fetch ${batchSize} from ${cursor}`);
  // One flight: nothing of the first rows waits for the cursor.
  const opening = Promise.all([
    core.execute(issuer, {
      ...statement,
      access,
      text: `declare ${cursor} no scroll cursor for ${statement.text}`,
    }, tablesOf),
    fetch(),
  ]);
  const { transaction } = core;
  const stands = transaction?.watch();
  const isOpen = () => core.transaction === transaction && stands?.();
  let [, batch] = await opening;
  try {
    for (;;) {
      const rows = map(batch);
      for (const row of Array.isArray(rows) ? rows : []) {
        signal?.throwIfAborted();
        yield row;
      }
      signal?.throwIfAborted();
      if (batch.rows.length < batchSize) return;
      if (!isOpen()) throw cursorEnded();
      batch = await fetch();
    }
  } finally {
    // A failure, an end, or the rollback of a savepoint has closed it already.
    if (core.state === "active" && isOpen()) {
      await run(`close ${cursor}`).catch(() => {});
    }
  }
}

function cursorEnded(): StateError {
  return new StateError(
    "TRANSACTION_ENDED",
    "Cannot read on: the transaction or the savepoint of this stream has ended; end it after the loop",
  );
}

function noTransaction(): StateError {
  return new StateError(
    "NO_TRANSACTION",
    'Cannot stream: a cursor lives in a transaction, and the isolation level is "autocommit"; use another level',
  );
}
