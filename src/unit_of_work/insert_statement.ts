import type { Statement } from "../driver/statement.ts";
import { Parameters, rowList, type Source } from "./_row_list.ts";
import type { SqlExpression } from "./sql_expression.ts";
import { countCheck, writeStatement } from "./_write_statement.ts";
import {
  type ColumnInfo,
  columnsToRead,
  quoteName,
  type TableInfo,
  XMIN,
} from "./table_info.ts";

/** A column, and under what its values are put for later statements. */
export interface Publication {
  /** The column. */
  readonly column: ColumnInfo;
  /** The name of a setting. */
  readonly name: string;
}

/** Rows of one table that give the same columns. */
export interface InsertGroup {
  /** The table. */
  readonly table: TableInfo;
  /** The columns that the rows give. */
  readonly columns: readonly ColumnInfo[];
  /**
   * Values by row, in the order of `columns`. A column has references in all
   * rows, to one name, or in none.
   */
  readonly rows: readonly (readonly unknown[])[];
  /** Columns that the database computes, the same way in all rows. */
  readonly expressions?: ReadonlyMap<ColumnInfo, SqlExpression> | undefined;
  /** What statements behind it refer to. */
  readonly publications?: readonly Publication[] | undefined;
}

/**
 * Makes the statement that inserts a group of rows. Each row comes back in its
 * place: not because RETURNING keeps an order, but because its key says which
 * one it is.
 *
 * @param group What to insert; at least one row.
 * @returns A statement whose rows, as arrays, are those of the group in order:
 * the columns that its table reads back.
 */
export function insertStatement(group: InsertGroup): Statement {
  const { table, columns, rows, publications = [] } = group;
  const parameters = new Parameters();
  const read = columnsToRead(table);
  const isRead = read.length > 0 || publications.length > 0;
  const made = isRead ? madeKeys(table, columns) : [];
  const lead = `with v as materialized (${newRows(group, made, parameters)})`;
  const insert = insertion(group, made, parameters);
  if (!isRead) return writeStatement(`${lead} ${insert}`, parameters);
  const returned = new Set([
    ...table.primaryKey,
    ...read,
    ...publications.map(({ column }) => column),
  ]);
  const returning = [...returned].map(({ name }) => quoteName(name));
  const output = read.map(({ name }) => `n.${quoteName(name)}`);
  if (table.version === XMIN) {
    returning.push("xmin::text as nullpool_xmin");
    output.push("n.nullpool_xmin");
  }
  const ctes = [
    lead,
    `i as (${insert} returning ${returning.join(", ")})`,
    `n as (${placedRows(table, [...columns, ...made])})`,
  ];
  let from = "n";
  if (publications.length > 0) {
    ctes.push(`k as (${publishing(publications, parameters)})`);
    from = "n cross join k";
  }
  const check = countCheck("i", rows.length, parameters);
  return writeStatement(
    `${ctes.join(", ")} select ${
      output.join(", ")
    } from ${from} where ${check} order by n.ord`,
    parameters,
    { table, attempt: "insert into", expected: rows.length },
  );
}

/** The rows that are given, with the keys that an expression makes. */
function newRows(
  { table, columns, rows }: InsertGroup,
  made: readonly ColumnInfo[],
  parameters: Parameters,
): string {
  const sources = columns.map((column, at): Source => ({
    alias: column.name,
    column,
    isKey: false,
    values: rows.map((row) => row[at]),
  }));
  const list = rowList(table, sources, rows.length, parameters);
  if (made.length === 0) return list;
  const keys = made.map(({ name, defaultSql }) =>
    `${defaultSql} as ${quoteName(name)}`
  );
  return `select l.*, ${keys.join(", ")} from (${list}) as l`;
}

function insertion(
  { table, columns, expressions = new Map<ColumnInfo, SqlExpression>() }:
    InsertGroup,
  made: readonly ColumnInfo[],
  parameters: Parameters,
): string {
  const names = [...columns, ...made, ...expressions.keys()]
    .map(({ name }) => quoteName(name));
  const values = [
    ...[...columns, ...made].map(({ name }) => quoteName(name)),
    ...[...expressions.values()].map(({ render }) =>
      render((value) => parameters.add(value))
    ),
  ];
  const overriding = columns.some(({ isIdentityAlways }) => isIdentityAlways)
    ? " overriding system value"
    : "";
  const into = names.length === 0 ? "" : ` (${names.join(", ")})${overriding}`;
  return `insert into ${table.sql}${into} select ${
    values.join(", ")
  } from v order by v.ord`;
}

/**
 * Key columns whose values an expression makes: it is evaluated ahead of the
 * insert, so that each row is known by its key. Those of a sequence come in
 * ascending order by themselves, and need no right to use it.
 */
function madeKeys(
  { primaryKey, hasTriggerKeys }: TableInfo,
  given: readonly ColumnInfo[],
): ColumnInfo[] {
  if (hasTriggerKeys) return [];
  return primaryKey.filter((column) =>
    !given.includes(column) && column.defaultSql !== undefined
  );
}

/** The rows as they were stored, each with the number it came with. */
function placedRows(
  { primaryKey, hasTriggerKeys }: TableInfo,
  known: readonly ColumnInfo[],
): string {
  if (hasTriggerKeys) return "select 1 as ord, i.* from i";
  const made = primaryKey.filter((column) => !known.includes(column));
  if (made.length === 0) {
    const matches = primaryKey.map(({ name }) =>
      `v.${quoteName(name)} = i.${quoteName(name)}`
    );
    return `select v.ord, i.* from v join i on ${matches.join(" and ")}`;
  }
  const order = made.map(({ name }) => `i.${quoteName(name)}`).join(", ");
  return `select row_number() over (order by ${order}) as ord, i.* from i`;
}

function publishing(
  publications: readonly Publication[],
  parameters: Parameters,
): string {
  const settings = publications.map(({ column, name }) =>
    `set_config(${parameters.add(name)}, (select json_agg(n.${
      quoteName(column.name)
    } order by n.ord) from n)::text, true)`
  );
  return `select ${settings.join(", ")}`;
}
