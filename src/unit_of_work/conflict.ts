import type { SqlExpression } from "./sql_expression.ts";
import type { ColumnInfo } from "./table_info.ts";

/** What is asked for where a row that is to be added is there already. */
export interface ConflictRule {
  /** Columns of a constraint: a row that has their values is there. */
  readonly target: readonly ColumnInfo[];
  /** What such a row gets; nothing where it gets what is given. */
  readonly set: ReadonlyMap<ColumnInfo, SqlExpression> | undefined;
}

/** The same, for one entity. */
export interface Upsert extends ConflictRule {
  /**
   * What nobody has given, or is a key that rows are not known by: values, and
   * SQL, of a new row. One that is there keeps its own.
   */
  readonly made: ReadonlyMap<ColumnInfo, unknown>;
}

/** How an INSERT treats a row that is there. */
export interface Conflict {
  /** The columns that it is known by. */
  readonly target: readonly ColumnInfo[];
  /** What it gets: SQL, or nothing for the value that was to be inserted. */
  readonly sets: ReadonlyMap<ColumnInfo, SqlExpression | undefined>;
  /** Whether rows of one statement can be told apart by the target. */
  readonly isTold: boolean;
}

/**
 * What conflicts of one statement have in common.
 *
 * @param conflict How a row that is there is treated.
 */
export function conflictShape({ target, sets, isTold }: Conflict): string {
  const known = target.map(({ at }) => at).join();
  const got = [...sets].map(([{ at }, sql]) => `${at}=${sql?.signature ?? ""}`);
  return `${known} ${got.join()} ${isTold}`;
}
