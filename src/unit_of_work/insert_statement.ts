import { toWireParameter, type WireParameter } from "../driver/parameter.ts";
import type { Statement } from "../driver/statement.ts";
import { type ColumnInfo, quoteName, type TableInfo } from "./table_info.ts";

/**
 * A key that another statement of the same flight makes: the `place`-th row of
 * the insert that publishes under `name`.
 */
export class KeyReference {
  /**
   * @param name What the insert publishes its keys under.
   * @param place Which of its rows, from 1.
   */
  constructor(readonly name: string, readonly place: number) {}
}

/** Rows of one table that give the same columns. */
export interface InsertGroup {
  /** The table. */
  readonly table: TableInfo;
  /** Properties of the columns that the rows give. */
  readonly keys: readonly string[];
  /**
   * Values by row, in the order of `keys`. A column has references in all
   * rows, to one name, or in none.
   */
  readonly rows: readonly (readonly unknown[])[];
  /** Where the keys of the rows are put, for statements behind it. */
  readonly publishAs?: string | undefined;
}

/** Where a column of the new rows comes from. */
interface Source {
  readonly column: ColumnInfo;
  /** Values by row, or places among the keys that are published. */
  readonly values: readonly unknown[];
  /** What they are published under, where they are places. */
  readonly reference: string | undefined;
}

/** Numbers the parameters of a statement. */
class Parameters {
  readonly values: WireParameter[] = [];

  /** Adds one; its placeholder. */
  add(value: WireParameter): string {
    return `$${this.values.push(value)}`;
  }
}

/**
 * Makes the statement that inserts a group of rows. Its text depends on the
 * columns alone and not on how many rows there are, so there is no limit of
 * parameters, and each row comes back in its place: not because RETURNING
 * keeps an order, but because its key says which one it is.
 *
 * @param group What to insert; at least one row.
 * @returns A statement whose rows, as arrays, are those of the group in order:
 * all columns of the table.
 */
export function insertStatement(group: InsertGroup): Statement {
  const { table, publishAs } = group;
  const parameters = new Parameters();
  const sources = sourcesOf(group);
  const made = madeKeys(group);
  const written = [...sources.map(({ column }) => column), ...made];
  const names = written.map(({ name }) => quoteName(name)).join(", ");
  const overriding = sources.some(({ column }) => column.isIdentityAlways)
    ? " overriding system value"
    : "";
  const insert = written.length === 0
    ? `insert into ${table.sql} select from v order by v.ord`
    : `insert into ${table.sql} (${names})${overriding} select ${names} from v order by v.ord`;
  const ctes = [
    `v as materialized (${
      newRows(table, sources, made, group.rows.length, parameters)
    })`,
    `i as (${insert} returning *)`,
    `n as (${placedRows(table, written)})`,
  ];
  if (publishAs !== undefined) {
    ctes.push(`k as (${publication(table, publishAs, parameters)})`);
  }
  const columns = table.columns.map(({ name }) => `n.${quoteName(name)}`);
  return {
    text: `with ${ctes.join(", ")} select ${columns.join(", ")} from n${
      publishAs === undefined ? "" : " cross join k"
    } order by n.ord`,
    params: parameters.values,
    rowMode: "array",
    access: "write",
  };
}

function sourcesOf({ table, keys, rows }: InsertGroup): Source[] {
  return keys.map((key, at) => {
    const column = columnOf(table, key);
    const given = rows.map((row) => row[at]);
    const [first] = given;
    if (!(first instanceof KeyReference)) {
      return { column, values: given, reference: undefined };
    }
    const values = given.map((each) =>
      each instanceof KeyReference ? each.place : null
    );
    return { column, values, reference: first.name };
  });
}

/**
 * Key columns whose values an expression makes: it is evaluated ahead of the
 * insert, so that each row is known by its key. Those of a sequence come in
 * ascending order by themselves, and need no right to use it.
 */
function madeKeys({ table, keys }: InsertGroup): ColumnInfo[] {
  return table.primaryKey.filter((key) => !keys.includes(key))
    .map((key) => columnOf(table, key))
    .filter(({ defaultSql }) => defaultSql !== undefined);
}

/** The rows to insert, numbered: a list of values per column, or JSON. */
function newRows(
  table: TableInfo,
  sources: readonly Source[],
  made: readonly ColumnInfo[],
  count: number,
  parameters: Parameters,
): string {
  const isPlain = sources.every(({ column, reference }) =>
    reference !== undefined || column.listType !== undefined
  );
  const from = isPlain
    ? valueLists(sources, count, parameters)
    : jsonRows(table, sources, count, parameters);
  const joins: string[] = [];
  const columns = sources.map(({ column, reference }, at) => {
    const name = quoteName(column.name);
    if (reference === undefined) return `${from.value(at)} as ${name}`;
    const alias = `r${at + 1}`;
    joins.push(
      `join json_array_elements_text(current_setting(${
        parameters.add(reference)
      })::json) with ordinality as ${alias}(key, place) on ${alias}.place = ${
        from.value(at)
      }`,
    );
    const type = column.listType;
    const key = `${alias}.key`;
    return `${type === undefined ? key : `${key}::${type}`} as ${name}`;
  });
  const defaults = made.map(({ name, defaultSql }) =>
    `${defaultSql} as ${quoteName(name)}`
  );
  return [
    `select ${["l.ord", ...columns, ...defaults].join(", ")}`,
    `from ${from.text}`,
    ...joins,
  ].join(" ");
}

/** What a list of rows is read from, and how its values are named there. */
interface RowList {
  readonly text: string;
  readonly value: (at: number) => string;
}

function valueLists(
  sources: readonly Source[],
  count: number,
  parameters: Parameters,
): RowList {
  if (sources.length === 0) {
    const rows = parameters.add(String(count));
    return {
      text: `generate_series(1, ${rows}::int4) as l(ord)`,
      value: () => "null",
    };
  }
  const lists = sources.map(({ column, values, reference }) => {
    const isPlace = reference !== undefined;
    const encoded = isPlace ? values : values.map(column.encode);
    const type = isPlace ? "int4" : column.listType;
    return `${parameters.add(toWireParameter(encoded))}::${type}[]`;
  });
  const names = sources.map((_, at) => `c${at + 1}`);
  return {
    text: `unnest(${lists.join(", ")}) with ordinality as l(${
      [...names, "ord"].join(", ")
    })`,
    value: (at) => `l.c${at + 1}`,
  };
}

/** For types that only the table's row type knows. */
function jsonRows(
  table: TableInfo,
  sources: readonly Source[],
  count: number,
  parameters: Parameters,
): RowList {
  const rows = Array.from(
    { length: count },
    (_, row) =>
      Object.fromEntries(sources.map(({ column, values, reference }) => {
        const value = values[row];
        return reference === undefined
          ? [column.name, jsonValue(column, value)]
          : [`nullpool ${column.name}`, value];
      })),
  );
  const list = parameters.add(JSON.stringify(rows));
  return {
    text:
      `json_array_elements(${list}::json) with ordinality as l(item, ord) cross join lateral json_populate_record(null::${table.sql}, l.item) as p`,
    value: (at) => {
      const source = sources[at];
      if (source === undefined) return "null";
      const { column: { name }, reference } = source;
      if (reference === undefined) return `p.${quoteName(name)}`;
      return `(l.item ->> '${`nullpool ${name}`.replaceAll("'", "''")}')::int4`;
    },
  };
}

/**
 * A value inside JSON that the row type reads: text is read as the type's
 * input, which is what a parameter is; JSON itself has to stay JSON.
 */
function jsonValue(column: ColumnInfo, value: unknown): unknown {
  const encoded = column.encode(value);
  const isJson = column.listType === "json" || column.listType === "jsonb";
  return isJson && encoded !== null ? JSON.parse(encoded) : encoded;
}

/** The rows as they were stored, each with the number it came with. */
function placedRows(
  table: TableInfo,
  written: readonly ColumnInfo[],
): string {
  const keys = table.primaryKey.map((key) => columnOf(table, key));
  if (keys.every((key) => written.includes(key))) {
    const matches = keys.map(({ name }) =>
      `v.${quoteName(name)} = i.${quoteName(name)}`
    );
    return `select v.ord, i.* from v join i on ${matches.join(" and ")}`;
  }
  const order = keys.filter((key) => !written.includes(key))
    .map(({ name }) => `i.${quoteName(name)}`).join(", ");
  return `select row_number() over (order by ${order}) as ord, i.* from i`;
}

function publication(
  table: TableInfo,
  publishAs: string,
  parameters: Parameters,
): string {
  const [key = ""] = table.primaryKey;
  const name = quoteName(columnOf(table, key).name);
  return `select set_config(${
    parameters.add(publishAs)
  }, (select json_agg(n.${name} order by n.ord) from n)::text, true)`;
}

function columnOf(table: TableInfo, key: string): ColumnInfo {
  const column = table.columns.find((each) => each.key === key);
  if (column !== undefined) return column;
  throw new TypeError(`Cannot insert: table "${table.name}" has no "${key}"`);
}
