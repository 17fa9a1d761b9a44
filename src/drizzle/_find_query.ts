import { is, type Query, SQL, sql } from "drizzle-orm";
import { PgColumn, type PgDialect } from "drizzle-orm/pg-core";
import { checkArgument, checkCount } from "../errors/check_argument.ts";
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
 * @throws {TypeError} When the condition or the order is none of Drizzle's.
 * @throws {RangeError} When the limit or the offset is no number of rows.
 */
export function findQuery(
  dialect: PgDialect,
  table: TableInfo,
  { where, orderBy, limit, offset, lock }: Found,
): Query {
  const order = orderBy === undefined ? [] : [orderBy].flat();
  const call = `find in "${table.name}"`;
  checkArgument(
    where === undefined || is(where, SQL),
    call,
    "a condition such as eq(users.id, 1)",
  );
  checkArgument(
    order.every((each) => is(each, SQL) || is(each, PgColumn)),
    call,
    "an order such as desc(users.id)",
  );
  const parts = [sql.raw(table.selectAll)];
  if (where !== undefined) parts.push(sql` where ${where}`);
  if (order.length > 0) {
    parts.push(sql` order by ${sql.join(order, sql.raw(", "))}`);
  }
  // What a request has asked for may be no number at all.
  if (limit !== undefined) {
    parts.push(sql` limit ${checkCount("limit", limit, 0)}`);
  }
  if (offset !== undefined) {
    parts.push(sql` offset ${checkCount("offset", offset, 0)}`);
  }
  if (lock !== undefined) parts.push(sql.raw(` ${lockClause(lock)}`));
  return dialect.sqlToQuery(sql.join(parts));
}
