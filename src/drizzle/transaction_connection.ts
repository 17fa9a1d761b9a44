import { toWireParameter } from "../driver/parameter.ts";
import { readable } from "../driver/statement.ts";
import { checkArgument } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import type { SessionHandle } from "../session/session_core.ts";
import { statementAccess } from "./statement_access.ts";
import type { QueryResult } from "./statement_runner.ts";

/** How {@linkcode TransactionConnection.query} returns rows. */
export interface RawQueryOptions {
  /**
   * Rows as objects by column name, or as arrays: columns of the same name are
   * told apart only there.
   *
   * @default {"object"}
   */
  readonly rowMode?: "object" | "array";
}

const QUERY_OPTIONS: OptionNames<RawQueryOptions> = { rowMode: true };

/**
 * The connection of a session's transaction, for what Drizzle cannot express:
 * SQL text with placeholders. It belongs to the session, which alone gives it
 * back; when the transaction has ended, so has this.
 */
export interface TransactionConnection {
  /** Whether the transaction has not ended. */
  readonly isActive: boolean;
  /**
   * Runs one statement in the session's transaction.
   *
   * @typeParam Row What a row looks like.
   * @param text SQL with placeholders `$1`, `$2`, ...
   * @param values Their values, in order.
   * @param options How rows are returned.
   * @returns What the server answered.
   * @throws {StateError} When the transaction has ended, or cannot run
   * statements now.
   * @throws {DatabaseError} When the server refused.
   */
  query<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: RawQueryOptions,
  ): Promise<QueryResult<Row>>;
}

/**
 * Makes the connection of a handle's transaction.
 *
 * @param handle Through which statements are issued.
 */
export function transactionConnection(
  handle: SessionHandle,
): TransactionConnection {
  return new HandleConnection(handle);
}

class HandleConnection implements TransactionConnection {
  readonly #handle: SessionHandle;
  readonly #transaction: object;

  constructor(handle: SessionHandle) {
    this.#handle = handle;
    this.#transaction = handle.core.join(handle);
  }

  get isActive(): boolean {
    const { core } = this.#handle;
    return core.transaction === this.#transaction && core.isAlive(this.#handle);
  }

  async query<Row>(
    text: string,
    values: readonly unknown[] = [],
    options: RawQueryOptions = {},
  ): Promise<QueryResult<Row>> {
    checkArgument(typeof text === "string", "query", "SQL as text");
    checkArgument(Array.isArray(values), "query", "a list of values");
    checkOptionNames("query()", options, QUERY_OPTIONS);
    const { rowMode = "object" } = options;
    const { core } = this.#handle;
    core.checkTransaction(this.#transaction);
    const result = await core.execute(this.#handle, {
      text,
      params: values.map(toWireParameter),
      rowMode,
      access: statementAccess(text, undefined),
    });
    // What a row looks like is the caller's word.
    return readable(result) as QueryResult<Row>;
  }
}
