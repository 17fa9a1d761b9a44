import { toWireParameter } from "../driver/parameter.ts";
import type { Statement } from "../driver/statement.ts";
import { quoteName, type TableInfo, XMIN } from "./table_info.ts";

/** How rows are locked until the transaction ends (PostgreSQL, `FOR UPDATE`). */
export interface LockOptions {
  /** How strong. */
  readonly strength: "update" | "no key update" | "share" | "key share";
  /** Fails at once where somebody else has the lock. */
  readonly noWait?: boolean;
  /** Leaves out what somebody else has locked. */
  readonly skipLocked?: boolean;
}

/**
 * Makes the statement that reads one row.
 *
 * @param table The table.
 * @param key Values of its primary key.
 * @param lock How the row is locked.
 * @returns A statement whose row, as an array, has all columns of the table,
 * and `xmin` behind them where its version is that.
 * @throws {TypeError} When a value is none of its column's type.
 */
export function selectStatement(
  table: TableInfo,
  key: readonly unknown[],
  lock: LockOptions | undefined,
): Statement {
  const columns = table.columns.map(({ name }) => quoteName(name));
  if (table.version === XMIN) columns.push("xmin::text");
  const conditions = table.primaryKey.map(({ name }, at) =>
    `${quoteName(name)} = $${at + 1}`
  );
  const text = `select ${columns.join(", ")} from ${table.sql} where ${
    conditions.join(" and ")
  }`;
  return {
    text: lock === undefined ? text : `${text} ${lockClause(lock)}`,
    params: table.primaryKey.map(({ encode }, at) =>
      toWireParameter(encode(key[at]))
    ),
    rowMode: "array",
    access: lock === undefined ? "pure" : "write",
  };
}

function lockClause({ strength, noWait, skipLocked }: LockOptions): string {
  const wait = noWait ? " nowait" : skipLocked ? " skip locked" : "";
  return `for ${strength}${wait}`;
}
