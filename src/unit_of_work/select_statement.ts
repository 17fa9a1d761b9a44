import { toWireParameter } from "../driver/parameter.ts";
import type { Statement } from "../driver/statement.ts";
import { type TableInfo, XMIN } from "./table_info.ts";

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
  const text = table.selectByKey;
  return {
    text: lock === undefined ? text : `${text} ${lockClause(lock)}`,
    params: table.primaryKey.map(({ encode }, at) =>
      toWireParameter(encode(key[at]))
    ),
    rowMode: "array",
    access: lock === undefined ? "pure" : "write",
  };
}

/**
 * The SQL that reads rows, up to the conditions: it is made once for a table.
 *
 * @param table The table.
 */
export function selectAll(
  { columns, version, sql }: Omit<SelectableTable, "primaryKey">,
): string {
  const read = columns.map(({ sql }) => sql);
  if (version === XMIN) read.push("xmin::text");
  return `select ${read.join(", ")} from ${sql}`;
}

/**
 * The SQL that reads one row by its key: it is made once for a table.
 *
 * @param table The table.
 */
export function selectByKey(table: SelectableTable): string {
  const conditions = table.primaryKey.map(({ sql }, at) =>
    `${sql} = $${at + 1}`
  );
  return `${selectAll(table)} where ${conditions.join(" and ")}`;
}

/** What of a table a select has to know. */
type SelectableTable = Pick<
  TableInfo,
  "columns" | "version" | "primaryKey" | "sql"
>;

/**
 * The clause that locks the rows of a select.
 *
 * @param lock How.
 */
export function lockClause(
  { strength, noWait, skipLocked }: LockOptions,
): string {
  const wait = noWait ? " nowait" : skipLocked ? " skip locked" : "";
  return `for ${strength}${wait}`;
}
