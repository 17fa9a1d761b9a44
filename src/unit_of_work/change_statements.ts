import type { Statement } from "../driver/statement.ts";
import { namedRows, ORD, rowList, type Source } from "./_row_list.ts";
import { countCheck, staleText, writeStatement } from "./_write_statement.ts";
import type { SqlExpression } from "./sql_expression.ts";
import {
  Parameters,
  placesOf,
  type RowValues,
  type StatementText,
} from "./statement_texts.ts";
import {
  type ColumnInfo,
  columnOf,
  type TableInfo,
  XMIN,
} from "./table_info.ts";

/** Which rows of a table are meant, and as what they were loaded. */
export interface RowSelection {
  /** The table. */
  readonly table: TableInfo;
  /** By row: the values of the primary key, or references to them. */
  readonly keys: readonly (readonly unknown[])[];
  /** By row: its version, where the table has one and the row is not new. */
  readonly versions: readonly unknown[] | undefined;
}

/** Rows of one table of which the same columns change. */
export interface UpdateGroup extends RowSelection {
  /** The columns that change. */
  readonly columns: readonly ColumnInfo[];
  /** The columns that come back. */
  readonly read: readonly ColumnInfo[];
  /** By row: new values, in the order of `columns`. */
  readonly rows: readonly (readonly unknown[])[];
  /** Columns that the database computes, the same way in all rows. */
  readonly expressions?: ReadonlyMap<ColumnInfo, SqlExpression> | undefined;
}

/**
 * Makes the statement that updates a group of rows, or fails where one is not
 * as it was loaded.
 *
 * @param group What to update; at least one row.
 * @returns A statement whose rows, as arrays, are those of the group in order:
 * the columns that its table reads back.
 */
export function updateStatement(group: UpdateGroup): Statement {
  const { columns, read, expressions, versions } = group;
  const name = expressions === undefined
    ? `update ${placesOf(columns)} ${placesOf(read)} ${versions !== undefined}`
    : undefined;
  return writeStatement(group, name, (values) => updateText(group, values));
}

function updateText(group: UpdateGroup, given: RowValues): StatementText {
  const {
    table,
    columns,
    read,
    expressions = new Map<ColumnInfo, SqlExpression>(),
  } = group;
  const parameters = new Parameters();
  const selection = rowSelection(group);
  const values = columns.map((column, at): Source => ({
    alias: `n${at + 1}`,
    column,
    isKey: false,
    isExact: table.primaryKey.includes(column),
    valueOf: ({ rows }, row) => rows[row]?.[at],
  }));
  const sources = [...values, ...selection.sources];
  const list = rowList(table, sources, given, parameters);
  const sets = columns.map(({ sql }, at) => `${sql} = v.n${at + 1}`);
  for (const [{ sql }, expression] of expressions) {
    const value = expression.render((each) => parameters.add(each));
    sets.push(`${sql} = ${value}`);
  }
  const { version } = table;
  if (version !== undefined && version !== XMIN) {
    const { sql } = columnOf(table, version);
    sets.push(`${sql} = coalesce(t.${sql}, 0) + 1`);
  }
  const returning = [
    `v.${ORD}`,
    ...read.map(({ sql }) => `t.${sql}`),
  ];
  const output = read.map(({ sql }) => `u.${sql}`);
  if (version === XMIN) {
    returning.push("t.xmin::text as nullpool_xmin");
    output.push("u.nullpool_xmin");
  }
  return {
    text: `with ${
      namedRows("v", list, given.count)
    }, u as (update ${table.sql} as t set ${
      sets.join(", ")
    } from v where ${selection.condition} returning ${
      returning.join(", ")
    }) select ${output.join(", ") || "1"} from u where ${
      countCheck("u", given.count, parameters)
    } order by u.${ORD}`,
    slots: parameters.slots,
    stale: staleText({ attempt: "update", table, expected: given.count }),
  };
}

/**
 * Makes the statement that deletes a group of rows, or fails where one is not
 * as it was loaded.
 *
 * @param selection What to delete; at least one row.
 */
export function deleteStatement(selection: RowSelection): Statement {
  const name = `delete ${selection.versions !== undefined}`;
  return writeStatement(
    selection,
    name,
    (values) => deleteText(selection, values),
  );
}

function deleteText(
  selection: RowSelection,
  values: RowValues,
): StatementText {
  const { table } = selection;
  const parameters = new Parameters();
  const { sources, condition } = rowSelection(selection);
  const list = rowList(table, sources, values, parameters);
  return {
    text: `with ${
      namedRows("v", list, values.count)
    }, d as (delete from ${table.sql} as t using v where ${condition} returning v.${ORD}) select 1 where ${
      countCheck("d", values.count, parameters)
    }`,
    slots: parameters.slots,
    stale: staleText({ attempt: "delete from", table, expected: values.count }),
  };
}

const OWN_XID = "pg_current_xact_id()::text::int8";

/**
 * Whether this transaction has written a row itself, which is nobody else's
 * change. Inside of a savepoint it has other numbers, all of them in progress;
 * of no other transaction in progress are there rows to be seen. An `xmin` is
 * the lower half of a number, which may lie on either side of our own.
 */
const IS_OWN_WRITE =
  `pg_xact_status((${OWN_XID} + ((t.xmin::text::int8 - ${OWN_XID} + 2147483648) & 4294967295) - 2147483648)::text::xid8) = 'in progress'`;

/** What the rows are found by. */
function rowSelection({ table, versions }: RowSelection): {
  readonly sources: readonly Source[];
  readonly condition: string;
} {
  const sources = table.primaryKey.map((column, at): Source => ({
    alias: `k${at + 1}`,
    column,
    isKey: true,
    isExact: true,
    valueOf: ({ keys }, row) => keys[row]?.[at],
  }));
  const conditions = table.primaryKey.map(({ sql }, at) =>
    `t.${sql} = v.k${at + 1}`
  );
  if (versions !== undefined && table.version !== undefined) {
    const column = table.version === XMIN
      ? undefined
      : columnOf(table, table.version);
    const stored = column === undefined ? "xmin::text" : column.sql;
    sources.push({
      alias: "version",
      column,
      isKey: true,
      isExact: false,
      valueOf: ({ versions }, row) => versions[row],
    });
    conditions.push(
      column === undefined
        ? `case when t.${stored} = v.version then true else ${IS_OWN_WRITE} end`
        : `t.${stored} is not distinct from v.version`,
    );
  }
  return { sources, condition: conditions.join(" and ") };
}
