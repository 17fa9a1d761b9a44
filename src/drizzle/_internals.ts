import { type Column, type SQL, Table } from "drizzle-orm";
import type { PgDialect } from "drizzle-orm/pg-core";
import * as drizzleUtils from "drizzle-orm/utils";

/** Which columns of a row go where in the mapped object. */
export type SelectedColumns = Parameters<
  PgDialect["buildSelectQuery"]
>[0]["fieldsFlat"];

/** Functions that Drizzle's drivers use, but its declarations leave out. */
interface DrizzleInternals {
  /** Turns an array row into the object that the selection describes. */
  mapResultRow(
    columns: SelectedColumns,
    row: unknown,
    joinsNotNullableMap: Record<string, boolean> | undefined,
  ): unknown;
}

// The declarations of drizzle-orm 0.45 leave out what is marked internal.
const internals = drizzleUtils as unknown as DrizzleInternals;

/**
 * Maps the rows of a builder's result.
 *
 * @param columns The selection.
 * @param rows Rows as arrays.
 * @param joinsNotNullableMap Which joined tables may be null.
 */
export function mapRows(
  columns: SelectedColumns,
  rows: readonly unknown[],
  joinsNotNullableMap: Record<string, boolean> | undefined,
): unknown[] {
  return rows.map((row) =>
    internals.mapResultRow(columns, row, joinsNotNullableMap)
  );
}

/** What a dialect knows of casing, which its declaration leaves out. */
interface CasingInternals {
  readonly casing: {
    /** None for a second definition of a table, with columns of its own. */
    getColumnCasing(column: Column): string | undefined;
    convert(name: string): string;
  };
}

/** The same as `SQL` takes it; the class is not exported. */
interface CasingCacheInternals {
  readonly casing: Parameters<SQL["toQuery"]>[0]["casing"];
}

/**
 * The name of a column in the database, with the dialect's casing applied.
 *
 * @param dialect Knows the casing.
 * @param column The column.
 */
export function columnName(dialect: PgDialect, column: Column): string {
  const { casing } = dialect as unknown as CasingInternals;
  return casing.getColumnCasing(column) ?? casing.convert(column.name);
}

/**
 * Compiles SQL whose parameters somebody else numbers.
 *
 * @param dialect Knows names and casing.
 * @param value The SQL.
 * @param add Takes a parameter; its placeholder.
 */
export function renderSql(
  dialect: PgDialect,
  value: SQL,
  add: (parameter: unknown) => string,
): string {
  return value.toQuery({
    casing: (dialect as unknown as CasingCacheInternals).casing,
    escapeName: (name) => dialect.escapeName(name),
    escapeParam: (_number, parameter) => add(parameter),
    escapeString: (text) => dialect.escapeString(text),
  }).sql;
}

/** Symbols of a table that the declarations leave out. */
interface TableSymbols {
  readonly Symbol: { readonly BaseName: symbol; readonly IsAlias: symbol };
}

/**
 * The name of a table without the prefix that its creator has given it.
 *
 * @param table The table.
 */
export function baseName(table: Table): string {
  const { Symbol: { BaseName } } = Table as unknown as TableSymbols;
  return String(Reflect.get(table, BaseName));
}

/**
 * Whether a table is another name for one: `alias(table, name)`.
 *
 * @param table The table.
 */
export function isAlias(table: Table): boolean {
  const { Symbol: { IsAlias } } = Table as unknown as TableSymbols;
  return Reflect.get(table, IsAlias) === true;
}

/** What a database keeps of its constructor's arguments. */
interface DatabaseInternals {
  readonly dialect: PgDialect;
}

/**
 * The dialect that a database was made with.
 *
 * @param database Any of Drizzle's for PostgreSQL.
 */
export function dialectOf(database: object): PgDialect {
  return (database as unknown as DatabaseInternals).dialect;
}
