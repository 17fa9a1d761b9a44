import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { checkNumber } from "./check_number.ts";
import { command, type Statement } from "./statement.ts";
import { statementStart } from "./statement_start.ts";

/**
 * PostgreSQL's isolation levels, and `autocommit`: no transaction at all, each
 * statement stands for itself. It is for what PostgreSQL refuses inside of one
 * (VACUUM, CREATE DATABASE, CREATE INDEX CONCURRENTLY); a rollback undoes
 * nothing there.
 */
export type IsolationLevel =
  | "read uncommitted"
  | "read committed"
  | "repeatable read"
  | "serializable"
  | "autocommit";

/** How a transaction runs. */
export interface TransactionOptions {
  /**
   * What the transaction sees of others. It is always sent, because a role's
   * `default_transaction_isolation` would change a bare BEGIN.
   *
   * @default {"read committed"}
   */
  readonly isolationLevel?: IsolationLevel | undefined;
  /**
   * Whether writes are refused by the server (SQLSTATE 25006).
   *
   * @default {false}
   */
  readonly readOnly?: boolean | undefined;
  /**
   * Whether a serializable, read-only transaction waits for a snapshot that
   * cannot fail (PostgreSQL, `SET TRANSACTION`).
   *
   * @default {false}
   */
  readonly deferrable?: boolean | undefined;
  /**
   * Whether a connection is held from the first statement on: for work that is
   * known to write before its commit, or to lock. Without it a read goes alone
   * first, and over Neon that is a request more.
   *
   * @default {false}
   */
  readonly interactive?: boolean | undefined;
  /**
   * Milliseconds for which the server may be silent while an answer is awaited;
   * bytes that arrive end the silence. Then the server is asked to cancel what
   * runs, and the connection is closed. Over HTTP the whole answer has to be
   * there by then: to follow one that arrives would cost every request. 0 waits
   * for ever. From 10 seconds on it may be up to one second more: such waits
   * share a timer, except on Workers.
   *
   * @default {30_000, or 0 in autocommit, which is for maintenance}
   */
  readonly statementTimeout?: number | undefined;
  /**
   * Milliseconds from the first statement on until the transaction is rolled
   * back, whether a statement runs or not. A COMMIT that has left is waited
   * for. 0 sets no limit.
   *
   * @default {0}
   */
  readonly transactionTimeout?: number | undefined;
  /**
   * What is done when the answer to COMMIT is lost. `error`: nothing; it is a
   * `CommitOutcomeError`. `xid`: the transaction's id is asked for together
   * with its first write, and the server is asked what became of it; what is
   * pending then goes ahead of COMMIT, in a flight of its own. `ledger`: the
   * transaction writes a row that says so (`ledgerMigration`), in COMMIT's own
   * flight. Both resolve `commit()`, or reject it as rolled back.
   *
   * @default {"error"}
   */
  readonly lostCommit?: "error" | "xid" | "ledger" | undefined;
  /**
   * Rolls the transaction back when it fires; what runs is cancelled on the
   * server. A COMMIT that has left is waited for.
   *
   * @default {none}
   */
  readonly signal?: AbortSignal | undefined;
}

const ISOLATION_LEVELS: ReadonlySet<unknown> = new Set([
  "read uncommitted",
  "read committed",
  "repeatable read",
  "serializable",
  "autocommit",
]);

const TRANSACTION_OPTIONS: OptionNames<TransactionOptions> = {
  isolationLevel: true,
  readOnly: true,
  deferrable: true,
  interactive: true,
  statementTimeout: true,
  transactionTimeout: true,
  lostCommit: true,
  signal: true,
};

const LOST_COMMIT: ReadonlySet<unknown> = new Set(["error", "xid", "ledger"]);

/**
 * Checks options that come from the user.
 *
 * @param options What was given.
 * @throws {RangeError} When the isolation level is unknown, or contradicts the
 * others; when a timeout is no number of milliseconds.
 * @throws {TypeError} When one of the others has another type than its own, or
 * there is none of its name.
 */
export function checkTransactionOptions(options: TransactionOptions): void {
  checkOptionNames("a transaction", options, TRANSACTION_OPTIONS);
  const { isolationLevel, readOnly, deferrable, interactive } = options;
  const { statementTimeout = 0, transactionTimeout = 0, signal } = options;
  checkNumber("statementTimeout", statementTimeout, "milliseconds");
  checkNumber("transactionTimeout", transactionTimeout, "milliseconds");
  checkSignal(signal);
  if (!LOST_COMMIT.has(options.lostCommit ?? "error")) {
    throw new RangeError(
      `Cannot use option "lostCommit": it is one of ${
        [...LOST_COMMIT].join(", ")
      }`,
    );
  }
  if (isolationLevel !== undefined && !ISOLATION_LEVELS.has(isolationLevel)) {
    throw new RangeError(
      `Cannot use option "isolationLevel": it is one of ${
        [...ISOLATION_LEVELS].join(", ")
      }`,
    );
  }
  if (isAutocommit(options) && (readOnly || deferrable)) {
    throw new RangeError(
      'Cannot use isolation level "autocommit" with "readOnly" or "deferrable": there is no transaction that could be so',
    );
  }
  for (
    const [name, value] of Object.entries({ readOnly, deferrable, interactive })
  ) {
    if (value !== undefined && typeof value !== "boolean") {
      throw new TypeError(`Cannot use option "${name}": it is a boolean`);
    }
  }
}

/**
 * Checks a signal that comes from the user.
 *
 * @param signal What was given; told by its shape, as there may be several
 * classes of that name.
 * @throws {TypeError} When it is none.
 */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  if (typeof signal?.addEventListener === "function") return;
  throw new TypeError('Cannot use option "signal": it is an AbortSignal');
}

/**
 * Checks settings that come from the user.
 *
 * @param settings What was given.
 * @throws {TypeError} When a value is not a string.
 */
export function checkSettings(
  settings: Readonly<Record<string, string>>,
): void {
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value !== "string") {
      throw new TypeError(
        `Cannot use setting "${name}": its value is a string`,
      );
    }
  }
}

/**
 * Whether there is no transaction around statements.
 *
 * @param options How they run.
 */
export function isAutocommit(options: TransactionOptions): boolean {
  return options.isolationLevel === "autocommit";
}

/**
 * Whether two sets of options begin the same transaction.
 *
 * @param a The options of one.
 * @param b The options of the other.
 */
export function sameTransactionOptions(
  a: TransactionOptions,
  b: TransactionOptions,
): boolean {
  return beginText(a) === beginText(b);
}

/**
 * BEGIN with the options.
 *
 * @param options How the transaction runs.
 */
export function beginStatement(options: TransactionOptions): Statement {
  return command(beginText(options));
}

/**
 * Settings that end with the transaction (PostgreSQL, `set_config(.., true)`).
 *
 * @param settings Values by setting name.
 */
export function settingsStatement(
  settings: Readonly<Record<string, string>>,
): Statement {
  const entries = Object.entries(settings);
  const calls = entries.map((_, index) =>
    `set_config($${2 * index + 1}, $${2 * index + 2}, true)`
  );
  return {
    ...command(`select ${calls.join(", ")}`, entries.flat()),
    isOwn: true,
  };
}

/**
 * Whether the answer to COMMIT can be anything but success: not where nothing
 * can have been written, and no other transaction can make this one fail.
 *
 * @param options How the transaction runs.
 */
export function commitNeedsAnswer(options: TransactionOptions): boolean {
  const { isolationLevel, readOnly = false, deferrable = false } = options;
  if (!readOnly) return true;
  return isolationLevel === "serializable" && !deferrable;
}

const ENDS_TRANSACTION =
  /^(?:commit|end|abort|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b)|prepare\s+transaction)\b/i;

/**
 * Whether SQL would end the transaction that it runs in. Those to a savepoint
 * do not.
 *
 * @param text One statement.
 */
export function endsTransaction(text: string): boolean {
  return ENDS_TRANSACTION.test(statementStart(text));
}

/**
 * Whether SQL would begin a transaction.
 *
 * @param text One statement.
 */
export function beginsTransaction(text: string): boolean {
  return /^(?:begin|start\s+transaction)\b/i.test(statementStart(text));
}

function beginText(options: TransactionOptions): string {
  const words = [
    "begin isolation level",
    options.isolationLevel ?? "read committed",
  ];
  if (options.readOnly !== undefined) {
    words.push(options.readOnly ? "read only" : "read write");
  }
  if (options.deferrable !== undefined) {
    words.push(options.deferrable ? "deferrable" : "not deferrable");
  }
  return words.join(" ");
}
