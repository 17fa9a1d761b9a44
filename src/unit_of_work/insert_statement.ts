import type { Statement } from "../driver/statement.ts";
import { ORD, rowList, type Source } from "./_row_list.ts";
import type { SqlExpression } from "./sql_expression.ts";
import {
  Parameters,
  placesOf,
  type RowValues,
  type StatementText,
} from "./statement_texts.ts";
import { countCheck, staleText, writeStatement } from "./_write_statement.ts";
import { type ColumnInfo, type TableInfo, XMIN } from "./table_info.ts";
import type { Conflict } from "./conflict.ts";

/** A column, and under what its values are put for later statements. */
export interface Publication {
  /** The column. */
  readonly column: ColumnInfo;
  /** The name of a setting. */
  readonly name: string;
}

/** What rows of one statement have in common. */
export interface RowShape {
  /** The table. */
  readonly table: TableInfo;
  /** The columns that the rows give. */
  readonly columns: readonly ColumnInfo[];
  /** Columns that the database computes, the same way in all rows. */
  readonly expressions?: ReadonlyMap<ColumnInfo, SqlExpression> | undefined;
  /** What becomes of rows that are there already. */
  readonly conflict?: Conflict | undefined;
}

/** Rows of one table that give the same columns. */
export interface InsertGroup extends RowShape {
  /** The columns that come back. */
  readonly read: readonly ColumnInfo[];
  /**
   * Values by row, in the order of `columns`. A column has references in all
   * rows, to one name, or in none.
   */
  readonly rows: readonly (readonly unknown[])[];
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
 * the columns that are read.
 */
export function insertStatement(group: InsertGroup): Statement {
  const { columns, read, expressions, conflict, publications } = group;
  const isPlain = expressions === undefined && conflict === undefined &&
    !publications?.length;
  const name = isPlain
    ? `insert ${placesOf(columns)} ${placesOf(read)}`
    : undefined;
  return writeStatement(group, name, (values) => insertText(group, values));
}

function insertText(group: InsertGroup, values: RowValues): StatementText {
  const { table, read, conflict, publications = [] } = group;
  const parameters = new Parameters();
  const isRead = read.length > 0 || publications.length > 0;
  const made = isRead ? madeKeys(group, parameters) : [];
  const list = newRows(group, { made, values, parameters });
  const unknown = conflict ? [] : unknownKeys(group);
  // Whose key is known is found by it; a sequence counts in the order given.
  const isFound = isRead && isTold(group);
  const insert = insertion(group, made, {
    from: isFound ? "v" : `(${list}) as v`,
    parameters,
  });
  if (!isRead) {
    return { text: insert, slots: parameters.slots, stale: undefined };
  }
  const found = foundBy(group);
  const returned = new Set([
    ...table.primaryKey,
    ...found,
    ...read,
    ...publications.map(({ column }) => column),
  ]);
  const returning = [...returned].map(({ sql }) => sql);
  const rows = isFound ? "n" : "i";
  const output = read.map(({ sql }) => `${rows}.${sql}`);
  if (table.version === XMIN) {
    returning.push("xmin::text as nullpool_xmin");
    output.push(`${rows}.nullpool_xmin`);
  }
  const ctes = [`i as (${insert} returning ${returning.join(", ")})`];
  if (isFound) {
    ctes.unshift(`v as materialized (${list})`);
    ctes.push(
      `n as (select v.${ORD}, i.* from i join v on ${matchOf(found)})`,
    );
  }
  const order = isFound
    ? `n.${ORD}`
    : unknown.map(({ sql }) => `i.${sql}`).join(", ") || "1";
  let from = rows;
  if (publications.length > 0) {
    ctes.push(
      `k as (${publishing(publications, { rows, order, parameters })})`,
    );
    from = `${rows} cross join k`;
  }
  const expected = values.count;
  const check = countCheck(rows, expected, parameters);
  return {
    text: `with ${ctes.join(", ")} select ${
      output.join(", ") || "1"
    } from ${from} where ${check} order by ${order}`,
    slots: parameters.slots,
    stale: staleText({ attempt: "insert into", table, expected }),
  };
}

/**
 * Whether one statement can tell its rows apart when they come back: by keys
 * that are known ahead, or by a sequence that counts them.
 *
 * @param group What the rows have in common.
 */
export function isCountable(group: RowShape): boolean {
  const unknown = unknownKeys(group);
  // A row that is there was counted before.
  const isInOrder = group.conflict === undefined &&
    !group.table.hasTriggerKeys && unknown.length === 1 &&
    unknown[0]?.maker === "sequence";
  return isInOrder || isTold(group);
}

/** Whether rows are told apart by values that are known ahead. */
function isTold(group: RowShape): boolean {
  const { table, conflict } = group;
  if (table.hasTriggerKeys) return false;
  return conflict?.isTold ?? unknownKeys(group).length === 0;
}

/** The columns that they are told apart by. */
function foundBy({ table, conflict }: RowShape): readonly ColumnInfo[] {
  return conflict?.target ?? table.primaryKey;
}

function matchOf(columns: readonly ColumnInfo[]): string {
  return columns.map(({ sql }) => `v.${sql} = i.${sql}`).join(" and ");
}

/** The rows that are given, with the keys that an expression makes. */
function newRows(
  group: InsertGroup,
  { made, values, parameters }: {
    readonly made: readonly MadeKey[];
    readonly values: RowValues;
    readonly parameters: Parameters;
  },
): string {
  const { table, columns } = group;
  const found = foundBy(group);
  const sources = columns.map((column, at): Source => ({
    alias: column.name,
    column,
    isKey: false,
    isExact: found.includes(column),
    valueOf: ({ rows }, row) => rows[row]?.[at],
  }));
  const list = rowList(table, sources, values, parameters);
  if (made.length === 0) return list;
  const keys = made.map(({ column: { sql }, text }) => `${text} as ${sql}`);
  return `select l.*, ${keys.join(", ")} from (${list}) as l`;
}

function insertion(
  { table, columns, expressions = NO_EXPRESSIONS, conflict }: InsertGroup,
  made: readonly MadeKey[],
  { from, parameters }: {
    readonly from: string;
    readonly parameters: Parameters;
  },
): string {
  const listed = [...columns, ...made.map(({ column }) => column)];
  const computed = [...expressions].filter(([column]) =>
    !listed.includes(column)
  );
  const names = [...listed, ...computed.map(([column]) => column)]
    .map(({ sql }) => sql);
  const values = [
    ...listed.map(({ sql }) => `v.${sql}`),
    ...computed.map(([, { render }]) =>
      render((value) => parameters.add(value))
    ),
  ];
  const overriding = listed.some(({ isIdentityAlways }) => isIdentityAlways)
    ? " overriding system value"
    : "";
  const into = names.length === 0 ? "" : ` (${names.join(", ")})${overriding}`;
  return `insert into ${table.sql}${into} select ${
    values.join(", ")
  } from ${from} order by v.${ORD}${
    conflict ? onConflict(conflict, parameters) : ""
  }`;
}

/** PostgreSQL, "INSERT": the row that was to be inserted is `excluded`. */
function onConflict(
  { target, sets }: Conflict,
  parameters: Parameters,
): string {
  const known = target.map(({ sql }) => sql).join(", ");
  const assignments = [...sets].map(([{ sql }, expression]) =>
    `${sql} = ${
      expression?.render((value) => parameters.add(value)) ?? `excluded.${sql}`
    }`
  );
  return ` on conflict (${known}) do update set ${assignments.join(", ")}`;
}

const NO_EXPRESSIONS: ReadonlyMap<ColumnInfo, SqlExpression> = new Map();

/** A key column, and the SQL that makes it. */
interface MadeKey {
  readonly column: ColumnInfo;
  readonly text: string;
}

/**
 * Key columns whose values an expression makes: it is evaluated ahead of the
 * insert, so that each row is known by its key. Those of a sequence come in
 * ascending order by themselves, and need no right to use it.
 */
function madeKeys(
  { table, columns, expressions = NO_EXPRESSIONS, conflict }: InsertGroup,
  parameters: Parameters,
): MadeKey[] {
  // Those of rows that are there are others.
  if (table.hasTriggerKeys || conflict !== undefined) return [];
  const made: MadeKey[] = [];
  for (const column of table.primaryKey) {
    const expression = expressions.get(column);
    if (expression !== undefined) {
      const text = expression.render((value) => parameters.add(value));
      made.push({ column, text: `(${text})` });
    } else if (!columns.includes(column) && column.defaultSql !== undefined) {
      made.push({ column, text: column.defaultSql });
    }
  }
  return made;
}

/** Key columns of which nothing is known before the rows are stored. */
function unknownKeys(
  { table, columns, expressions = NO_EXPRESSIONS }: RowShape,
): ColumnInfo[] {
  return table.primaryKey.filter((column) =>
    !columns.includes(column) && !expressions.has(column) &&
    column.defaultSql === undefined
  );
}

function publishing(
  publications: readonly Publication[],
  { rows, order, parameters }: {
    readonly rows: string;
    readonly order: string;
    readonly parameters: Parameters;
  },
): string {
  const settings = publications.map(({ column, name }) =>
    `set_config(${
      parameters.add(name)
    }, (select json_agg(${rows}.${column.sql} order by ${order}) from ${rows})::text, true)`
  );
  return `select ${settings.join(", ")}`;
}
