import { command, type Statement } from "./statement.ts";

/** PostgreSQL's isolation levels. */
export type IsolationLevel =
  | "read uncommitted"
  | "read committed"
  | "repeatable read"
  | "serializable";

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
}

const ISOLATION_LEVELS: ReadonlySet<unknown> = new Set([
  "read uncommitted",
  "read committed",
  "repeatable read",
  "serializable",
]);

/**
 * Checks options that come from the user.
 *
 * @param options What was given.
 * @throws {RangeError} When the isolation level is none of PostgreSQL's.
 * @throws {TypeError} When `readOnly` or `deferrable` is not a boolean.
 */
export function checkTransactionOptions(options: TransactionOptions): void {
  const { isolationLevel, readOnly, deferrable } = options;
  if (isolationLevel !== undefined && !ISOLATION_LEVELS.has(isolationLevel)) {
    throw new RangeError(
      `Cannot use option "isolationLevel": it is one of ${
        [...ISOLATION_LEVELS].join(", ")
      }`,
    );
  }
  for (const [name, value] of Object.entries({ readOnly, deferrable })) {
    if (value !== undefined && typeof value !== "boolean") {
      throw new TypeError(`Cannot use option "${name}": it is a boolean`);
    }
  }
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
  // A SELECT of nothing is legal.
  return command(`select ${calls.join(", ")}`, entries.flat());
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
  /^(?:\s|--.*\n|\/\*(?:[^*]|\*(?!\/))*\*\/)*(?:commit|end|abort|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b)|prepare\s+transaction)\b/i;

/**
 * Whether SQL would end the transaction that it runs in. Those to a savepoint
 * do not.
 *
 * @param text One statement.
 */
export function endsTransaction(text: string): boolean {
  return ENDS_TRANSACTION.test(text);
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
