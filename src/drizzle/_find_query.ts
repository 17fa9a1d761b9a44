import { type Query, type SQL, sql } from "drizzle-orm";
import type { PgDialect } from "drizzle-orm/pg-core";
import {
  lockClause,
  type LockOptions,
} from "../unit_of_work/select_statement.ts";
import type { TableInfo } from "../unit_of_work/table_info.ts";
import type { FindOptions } from "./entity_types.ts";

/** What `find` was asked for. */
export interface Found extends Omit<FindOptions, "lock"> {
  /** The rows; none for all. */
  readonly where: SQL | undefined;
  /** How they are locked. */
  readonly lock: LockOptions | undefined;
}

/**
 * Makes the query that reads entities. What is the same for all queries of a
 * table is made once: Drizzle's builder would make it for each, which took as
 * long as all the rest.
 *
 * @param dialect Compiles conditions.
 * @param table The table.
 * @param found What is looked for.
 */
export function findQuery(
  dialect: PgDialect,
  table: TableInfo,
  { where, orderBy, limit, offset, lock }: Found,
): Query {
  const parts = [sql.raw(table.selectAll)];
  if (where !== undefined) parts.push(sql` where ${where}`);
  const order = orderBy === undefined ? [] : [orderBy].flat();
  if (order.length > 0) {
    parts.push(sql` order by ${sql.join(order, sql.raw(", "))}`);
  }
  if (limit !== undefined) parts.push(sql` limit ${limit}`);
  if (offset !== undefined) parts.push(sql` offset ${offset}`);
  if (lock !== undefined) parts.push(sql.raw(` ${lockClause(lock)}`));
  return dialect.sqlToQuery(sql.join(parts));
}
