/**
 * Every error code with what happened and what to do about it.
 *
 * The value is the class of the error that carries the code.
 */
export interface ErrorCodes {
  /**
   * The session was closed, which is final. Open another one with its
   * sessionmaker; a session kept after its request or block has ended is a bug
   * in the code that kept it.
   */
  SESSION_CLOSED: "StateError";
  /**
   * A session that had a connection was dropped without `close()`. Its
   * connection was closed, and what it had not committed is undone. It is
   * reported in `mode: "development"` where nobody listens to the event `leak`
   * (`reportError`, which ends a Deno process that does not handle it). Use
   * `Session.begin()`, `await using`, or `finally`.
   */
  SESSION_LEAKED: "StateError";
  /**
   * The transaction of this handle, or the block it belongs to, has ended.
   * Use the handle that the block was given, and only until it ends.
   */
  TRANSACTION_ENDED: "StateError";
  /**
   * A statement of this transaction failed, so PostgreSQL refuses everything
   * behind it. Call `rollback()` (or let the savepoint's block throw) and try
   * again; `cause` is the first failure.
   */
  TRANSACTION_FAILED: "StateError";
  /**
   * `commit()` was called after `setRollbackOnly()`. Roll back instead; the
   * flag ends with the transaction.
   */
  ROLLBACK_ONLY: "StateError";
  /**
   * `begin()` found a transaction that it cannot join: one begun explicitly,
   * one with other options, or one that has already written. Commit or roll
   * back first, or use `beginNested()`.
   */
  TRANSACTION_OPEN: "StateError";
  /**
   * A call needs a transaction, and the session has none: it was made with
   * `autobegin: false`, so call `begin()` first; or its isolation level is
   * `autocommit`, which has no savepoints and no settings local to a
   * transaction.
   */
  NO_TRANSACTION: "StateError";
  /**
   * `commit`, `begin` or a nested block was asked for while a statement or
   * another such call of the same session is still running. Await the first
   * one, or give parallel work a session each (`mapTasks`). At the end of a
   * request it is something that the handler has not awaited, and nothing was
   * saved but what a `commit()` of its own has; what is to go on behind the
   * response is for `background()`.
   */
  SESSION_BUSY: "StateError";
  /**
   * A nested block is open on this session, and the call came through the
   * outer handle: its work would be undone by the block's rollback. Use the
   * `tx` that the block was given, or wait until the block has ended.
   */
  NESTED_BLOCK_OPEN: "StateError";
  /**
   * A connection, or a pool that keeps connections, was used by another Worker
   * request than the one that opened it; the runtime would hang for ever.
   * Use `NullPool` (the default) on Workers.
   */
  FOREIGN_REQUEST: "StateError";
  /**
   * A PGlite data directory is open in another process; two would lose each
   * other's rows. Stop the other one, or use another directory.
   */
  DATABASE_IN_USE: "StateError";
  /**
   * `inspector()` was given an engine in `mode: "production"`, which is the
   * default. Make the engine with `mode: "development"` where you develop, and
   * leave the inspector out elsewhere; `force` serves it all the same.
   */
  INSPECTOR_REFUSED: "StateError";
  /**
   * A session without claims was about to send something, and `requireClaims`
   * is on: row-level security would not know for whom it speaks. Give it
   * claims; those who are not logged in have some as well. Or `dbSession` asks
   * for an `authToken`, and the request has none: answer it with 401 before.
   */
  CLAIMS_REQUIRED: "StateError";
  /**
   * No session belongs to the running task. Run the code inside `scope.run`,
   * or behind the `dbSession` middleware; a library that was given `scope.db`
   * may ask at import or in a timer, where neither has begun. Hono's `onError`
   * runs behind the middleware where it was the commit that failed: what it
   * writes, and is to stay, has `propagation: "requiresNew"` of `scope.begin`.
   */
  NO_SCOPE: "ScopeError";
  /**
   * The session of one task was used inside the scope of another one, which
   * would write into its transaction. Use the session of the running task;
   * something has kept the other one, a module-level variable for example.
   */
  FOREIGN_SCOPE: "ScopeError";
  /**
   * This runtime offers no `AsyncLocalStorage`. On Workers add the
   * compatibility flag `nodejs_compat` or `nodejs_als`; elsewhere pass the
   * class as the option `AsyncLocalStorage`.
   */
  NO_ASYNC_CONTEXT: "ScopeError";
  /**
   * The pool was disposed. Make a new engine.
   */
  POOL_DISPOSED: "PoolError";
  /**
   * No connection became free within the timeout. The message names who holds
   * them and for how long: look for a session that is held too long, or raise
   * the size.
   */
  POOL_TIMEOUT: "PoolError";
  /**
   * A checkout waited for a connection held by its own task, or by one that
   * waits for it: it would never be served. Commit, roll back or close the
   * outer session first, or give the pool more than one connection.
   */
  POOL_SELF_DEADLOCK: "PoolError";
  /**
   * A connection was given back, detached or invalidated that this pool has
   * not lent, or given back twice.
   */
  POOL_CHECKIN: "PoolError";
  /**
   * `AssertionPool` was asked for a second connection while one was out. The
   * message shows where the first one was borrowed: end its session before,
   * or use another pool if both are meant to be open at once.
   */
  POOL_SECOND_CHECKOUT: "PoolError";
  /**
   * The pool cannot work on this runtime. On Cloudflare Workers a socket
   * belongs to the request that opened it and cannot be kept for the next
   * one: leave the option `pool` out, and each request opens its own.
   */
  POOL_UNSUPPORTED: "PoolError";
  /**
   * No connection could be opened, or a pooler had none of the server; nothing
   * was executed. The message names host and database; check the URL, the
   * network and the credentials. A certificate that is not trusted
   * (`SELF_SIGNED_CERT_IN_CHAIN`, `UNABLE_TO_VERIFY_LEAF_SIGNATURE`) has an
   * authority that the runtime does not know: give it to
   * `postgres(url, { tls: { ca } })`. Deno says so of an expired one as well.
   */
  CONNECT_FAILED: "ConnectionError";
  /**
   * The driver has no connections (`neonHttp()`), and something needs one. The
   * message names what, and why: leave it out, use `enqueue()` or `add()` for a
   * write, or use `neon()`.
   */
  NO_CONNECTION: "StateError";
  /**
   * The endpoint takes no request that large (HTTP 413). Lower `maxBatchBytes`,
   * or flush in parts.
   */
  REQUEST_TOO_LARGE: "ConnectionError";
  /**
   * The endpoint gives no result that large (HTTP 507), and has rolled the
   * transaction back. Read fewer rows, or use `stream()`.
   */
  RESPONSE_TOO_LARGE: "ConnectionError";
  /**
   * A statement was not answered within `statementTimeout`, or within the
   * `timeout` of `within()`, and its transaction has failed. The server was
   * asked to cancel it, and its connection is closed. Raise the option where
   * work takes that long, or look for the lock that it waits for.
   */
  STATEMENT_TIMEOUT: "ConnectionError";
  /**
   * A transaction was open longer than `transactionTimeout`, and was rolled
   * back. Look for what it waits for between its statements, or raise the
   * option.
   */
  TRANSACTION_TIMEOUT: "ConnectionError";
  /**
   * The signal of a transaction, a session or a call has fired, and the
   * transaction was rolled back. `cause` is the signal's reason.
   */
  ABORTED: "ConnectionError";
  /**
   * A unit of work lost against another one, and cannot be run again: the
   * message says why, `cause` is what it failed with. Read the body through
   * `c.req`, and answer with a stream outside of `transactional()`.
   */
  RETRY_REFUSED: "StateError";
  /**
   * A statement has more than 65,535 parameters, which PostgreSQL counts in 16
   * bits; nothing was sent. Send it in parts, give the rows to `addAll()`, which
   * sends a column as one parameter, or compare with an array in place of a
   * list: `= any(${sql.param(ids)})`.
   */
  TOO_MANY_PARAMETERS: "StateError";
  /**
   * The connection broke while a transaction was open. The server has rolled
   * the transaction back; call `rollback()` and run the unit of work again.
   */
  CONNECTION_LOST: "ConnectionError";
  /**
   * The answer to COMMIT was lost: the transaction is neither known to be done
   * nor known to be undone. Look for its rows before running it again.
   */
  COMMIT_OUTCOME_UNKNOWN: "CommitOutcomeError";
  /**
   * The transaction was committed, and what this statement has returned was
   * lost on the way. Read it again; do not run it again.
   */
  ANSWER_LOST: "StateError";
  /**
   * A type parser threw at a value that a statement has returned
   * (`pg.types.setTypeParser`, for example). The statement was executed, and
   * its transaction is as good as before: a commit that travelled with it is
   * done. Mend the parser, or cast the column to `text`, and read it again.
   */
  ANSWER_UNREADABLE: "StateError";
  /**
   * `lostCommit: "ledger"` needs a table and functions that the database does
   * not have. Run the statements of `ledgerMigration`.
   */
  LEDGER_MISSING: "StateError";
  /**
   * PostgreSQL answered COMMIT with ROLLBACK: nothing was saved.
   */
  COMMIT_ROLLED_BACK: "DatabaseError";
  /**
   * The database refused a statement; `sqlstate` says why.
   */
  DATABASE_ERROR: "DatabaseError";
  /**
   * A constraint was violated (SQLSTATE class 23); `constraint`, `table` and
   * `column` say which.
   */
  INTEGRITY_VIOLATION: "IntegrityError";
  /**
   * The transaction lost against another one (SQLSTATE 40001 or 40P01). Run
   * the whole unit of work again.
   */
  SERIALIZATION_FAILURE: "SerializationError";
  /**
   * A value was read that the database has yet to make. Call `flush()` or
   * `commit()` first, or give `ref(entity)` to what needs the value only in the
   * database.
   */
  NOT_FLUSHED: "StateError";
  /**
   * The session does not know this entity: it belongs to another session, was
   * never added, or was forgotten by `expunge()` or a rollback. Load it with
   * `get()` or `find()`, or give the row to `track()`.
   */
  ENTITY_UNKNOWN: "StateError";
  /**
   * An entity was changed after `remove()`, or removed before it had a key.
   * Change it first, or leave it in.
   */
  ENTITY_REMOVED: "StateError";
  /**
   * Two entities of a session would have the same primary key, or be one row by
   * the columns of `onConflict`. Change the one that is there, or remove it
   * before the other is added; `enqueue()` an upsert of Drizzle's where one row
   * is meant several times.
   */
  ENTITY_DUPLICATE: "StateError";
  /**
   * The unit of work needs a primary key to tell rows apart, and the table has
   * none. Declare one, or write with `insert()`, `update()` and `delete()`.
   */
  NO_PRIMARY_KEY: "StateError";
  /**
   * A column that refuses NULL, without a default, was left out, or one by which
   * `onConflict` knows rows that are there. Give it a value.
   */
  VALUE_MISSING: "StateError";
  /**
   * The changes of a flush depend on each other in a circle: two rows swap a
   * unique value, or refer to each other by columns that refuse NULL. Flush in
   * between with another value, or make the constraint deferrable.
   */
  FLUSH_CYCLE: "StateError";
  /**
   * A table cannot be versioned as its options say: a view has no `xmin`, a
   * partitioned table does not tell that of a new row, and rows given to
   * `track()` have none either. Use a version column, or load with `get()` and
   * `find()`.
   */
  VERSION_UNSUPPORTED: "StateError";
  /**
   * A row that was inserted did not come back under its key: a trigger has
   * skipped it (it returned NULL, as one that puts rows elsewhere does), or
   * given it another key. Running it again does the same. Use
   * `mapTable(table, { keys: "trigger" })` where a trigger makes the keys; where
   * it skips rows, `readBack: "none"`, or `enqueue()` an insert of Drizzle's.
   */
  ROW_NOT_RETURNED: "StateError";
  /**
   * A row that was to be changed or removed is not as it was loaded: another
   * transaction changed or removed it. Nothing was saved; call `rollback()` and
   * run the unit of work again. Where that does not help, a trigger has kept the
   * row as it is (`BEFORE`, returning NULL), or a policy lets the role read it
   * and not change it: `enqueue()` an update or delete of Drizzle's, which does
   * not look at what was done.
   */
  STALE_DATA: "StaleDataError";
}

/** The code of an error. */
export type ErrorCode = keyof ErrorCodes;
