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
  const list = newRows(group, made, parameters);
  const known = [...columns, ...made];
  const isKeyKnown = table.primaryKey.every((column) => known.includes(column));
  // Whose key is known is found by it; a sequence counts in the order given.
  const isFound = isRead && isKeyKnown && !table.hasTriggerKeys;
  const insert = insertion(group, made, {
    from: isFound ? "v" : `(${list}) as v`,
    parameters,
  });
  if (!isRead) return writeStatement(insert, parameters);
  const returned = new Set([
    ...table.primaryKey,
    ...read,
    ...publications.map(({ column }) => column),
  ]);
  const returning = [...returned].map(({ name }) => quoteName(name));
  const output = read.map(({ name }) => `i.${quoteName(name)}`);
  if (table.version === XMIN) {
    returning.push("xmin::text as nullpool_xmin");
    output.push("i.nullpool_xmin");
  }
  const ctes = [`i as (${insert} returning ${returning.join(", ")})`];
  if (isFound) ctes.unshift(`v as materialized (${list})`);
  const placed = isFound ? `i join v on ${keyMatch(table)}` : "i";
  const order = isFound
    ? "v.ord"
    : table.primaryKey.map(({ name }) => `i.${quoteName(name)}`).join(", ");
  let from = placed;
  if (publications.length > 0) {
    const published = publishing(publications, { placed, order, parameters });
    ctes.push(`k as (${published})`);
    from = `${placed} cross join k`;
  }
  const check = countCheck("i", rows.length, parameters);
  return writeStatement(
    `with ${ctes.join(", ")} select ${
      output.join(", ")
    } from ${from} where ${check} order by ${order}`,
    parameters,
    { table, attempt: "insert into", expected: rows.length },
  );
}

function keyMatch({ primaryKey }: TableInfo): string {
  return primaryKey.map(({ name }) =>
    `v.${quoteName(name)} = i.${quoteName(name)}`
  ).join(" and ");
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
  { from, parameters }: {
    readonly from: string;
    readonly parameters: Parameters;
  },
): string {
  const names = [...columns, ...made, ...expressions.keys()]
    .map(({ name }) => quoteName(name));
  const values = [
    ...[...columns, ...made].map(({ name }) => `v.${quoteName(name)}`),
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
  } from ${from} order by v.ord`;
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

function publishing(
  publications: readonly Publication[],
  { placed, order, parameters }: {
    readonly placed: string;
    readonly order: string;
    readonly parameters: Parameters;
  },
): string {
  const settings = publications.map(({ column, name }) =>
    `set_config(${parameters.add(name)}, (select json_agg(i.${
      quoteName(column.name)
    } order by ${order}) from ${placed})::text, true)`
  );
  return `select ${settings.join(", ")}`;
}
