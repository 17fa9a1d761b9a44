import type { SQL } from "drizzle-orm";
import type { PgDialect } from "drizzle-orm/pg-core";
import { toWireParameter } from "../driver/parameter.ts";
import { SqlExpression } from "../unit_of_work/sql_expression.ts";
import { renderSql } from "./_internals.ts";

/**
 * Drizzle's SQL as a value of the unit of work.
 *
 * @param value The SQL.
 * @param dialect Compiles it.
 */
export function sqlExpression(value: SQL, dialect: PgDialect): SqlExpression {
  return new SqlExpression((add) =>
    renderSql(dialect, value, (parameter) => add(toWireParameter(parameter)))
  );
}
