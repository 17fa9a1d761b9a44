import { toWireParameter, type WireParameter } from "../driver/parameter.ts";
import { encodeKept } from "./kept_value.ts";
import { KeyReference } from "./key_reference.ts";
import type { Parameters, RowValues } from "./statement_texts.ts";
import { type ColumnInfo, quoteName, type TableInfo } from "./table_info.ts";

const JSON_TYPE = /^jsonb?$/i;

/** Numbers the rows of a list; no column of a user's has this name. */
export const ORD = "nullpool_ord";

/** A column of the list of rows that a statement is given. */
export interface Source {
  /** How it is named in the list, unquoted. */
  readonly alias: string;
  /** The column of the table that it is of; none for plain text. */
  readonly column: ColumnInfo | undefined;
  /**
   * The value of a row, from 0. They are references in all rows, to one name,
   * or in none.
   */
  readonly valueOf: (values: RowValues, row: number) => unknown;
  /** Whether it says which row is meant: a column may be both, key and value. */
  readonly isKey: boolean;
  /** Whether rows are compared by it: it has the precision of its column. */
  readonly isExact: boolean;
}

/** A source as it is written. */
interface WrittenSource extends Source {
  /** Under what the keys are published that its places are of. */
  readonly reference: string | undefined;
  /** The type of its list; none for what only the table's row type knows. */
  readonly listType: string | undefined;
}

/**
 * Writes the rows that a statement is given as a query: `ord` numbers them,
 * and each source is a column. Its text depends on the sources alone and not
 * on how many rows there are, so there is no limit of parameters; but one row
 * alone, of types that have lists, is written as its values.
 *
 * @param table The table; its row type reads what has no list.
 * @param sources The columns.
 * @param values Their values.
 * @param parameters Takes what makes the parameters.
 */
export function rowList(
  table: TableInfo,
  sources: readonly Source[],
  values: RowValues,
  parameters: Parameters,
): string {
  const written = sources.map((source) => writtenSource(source, values));
  const { count } = values;
  const isPlain = written.every(({ listType }) => listType !== undefined);
  const from = isPlain
    ? plainRows(written, count, parameters)
    : jsonRows(table, written, parameters);
  const joins: string[] = [];
  const columns = written.map((source, at) => {
    const name = quoteName(source.alias);
    const { reference } = source;
    if (reference === undefined) {
      return `${exact(from.value(at), source)} as ${name}`;
    }
    const alias = `r${at + 1}`;
    joins.push(
      `join json_array_elements_text(current_setting(${
        parameters.add(reference)
      })::json) with ordinality as ${alias}(key, place) on ${alias}.place = ${
        from.value(at)
      }`,
    );
    return `${typed(`${alias}.key`, source.column, table)} as ${name}`;
  });
  return [
    `select ${[`l.ord as ${ORD}`, ...columns].join(", ")}`,
    `from ${from.text}`,
    ...joins,
  ].join(" ");
}

/**
 * Names a list of rows in WITH. Many are read once; one alone is better planned
 * as what it is, a few values.
 *
 * @param name The name.
 * @param list What {@linkcode rowList} has written.
 * @param count How many rows it has.
 */
export function namedRows(name: string, list: string, count: number): string {
  return `${name} as ${count === 1 ? "" : "materialized "}(${list})`;
}

/** A value as the column will hold it: with its precision, and its scale. */
function exact(value: string, { column, isExact }: Source): string {
  const isRounded = isExact && column?.exactType !== undefined;
  return isRounded ? `${value}::${column.exactType}` : value;
}

/** Text as a value of a column. */
function typed(
  text: string,
  column: ColumnInfo | undefined,
  table: TableInfo,
): string {
  if (column === undefined) return text;
  const { listType, name, sql } = column;
  if (listType !== undefined) return `${text}::${listType}`;
  const key = `'${name.replaceAll("'", "''")}'`;
  return `(json_populate_record(null::${table.sql}, json_build_object(${key}, ${text}))).${sql}`;
}

function writtenSource(source: Source, values: RowValues): WrittenSource {
  const { alias, column, isKey, isExact, valueOf } = source;
  const first = valueOf(values, 0);
  // No spread: V8 forgets the hidden class of a copy when none is left.
  if (first instanceof KeyReference) {
    return {
      alias,
      column,
      isKey,
      isExact,
      valueOf: (values, row) => {
        const value = valueOf(values, row);
        return value instanceof KeyReference ? value.place : null;
      },
      reference: first.name,
      listType: "int4",
    };
  }
  const listType = column === undefined ? "text" : column.listType;
  return {
    alias,
    column,
    isKey,
    isExact,
    valueOf,
    reference: undefined,
    listType,
  };
}

/** What a list of rows is read from, and how its values are named there. */
interface RowList {
  readonly text: string;
  readonly value: (at: number) => string;
}

function plainRows(
  sources: readonly WrittenSource[],
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
  const names = [...sources.map((_, at) => `c${at + 1}`), "ord"].join(", ");
  const rows = count === 1
    ? `(values (${oneRow(sources, parameters)}, 1))`
    : `unnest(${valueLists(sources, parameters)}) with ordinality`;
  return { text: `${rows} as l(${names})`, value: (at) => `l.c${at + 1}` };
}

/** To plan and to scan lists costs the server more than to write one row. */
function oneRow(
  sources: readonly WrittenSource[],
  parameters: Parameters,
): string {
  return sources.map((source) => {
    const value = parameters.addLater((values) =>
      encoded(source, source.valueOf(values, 0))
    );
    return `${value}::${source.listType}`;
  }).join(", ");
}

function valueLists(
  sources: readonly WrittenSource[],
  parameters: Parameters,
): string {
  return sources.map((source) => {
    const list = parameters.addLater((values) => listText(source, values));
    return `${list}::${source.listType}[]`;
  }).join(", ");
}

/** A list of values as PostgreSQL reads it. */
function listText(source: WrittenSource, values: RowValues): string {
  // Of a custom type a number may be written as anything.
  const isNumeric = !JSON_TYPE.test(source.listType ?? "");
  const { count } = values;
  const items = new Array<string>(count);
  for (let row = 0; row < count; row++) {
    const value = source.valueOf(values, row);
    const text = encoded(source, value);
    if (text === null) items[row] = "NULL";
    // Any text may hold what a list gives a meaning.
    else items[row] = isNumber(value) && isNumeric ? text : quoted(text);
  }
  // A text that grows by each of thousands is made of as many parts.
  return `{${items.join()}}`;
}

/** A column knows its values; a place, or a plain text, is no value of it. */
function encoded(
  { column, reference }: WrittenSource,
  value: unknown,
): WireParameter {
  return column === undefined || reference !== undefined
    ? toWireParameter(value)
    : encodeKept(column, value);
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint" ||
    typeof value === "boolean";
}

/** Most texts have nothing that is to be escaped. */
function quoted(text: string): string {
  const isPlain = !text.includes('"') && !text.includes("\\");
  return `"${isPlain ? text : text.replace(/[\\"]/g, "\\$&")}"`;
}

/**
 * For types that only the table's row type knows. Each row is an array: values
 * and keys are records of the table, and places and plain texts stand behind.
 */
function jsonRows(
  table: TableInfo,
  sources: readonly WrittenSource[],
  parameters: Parameters,
): RowList {
  const list = parameters.addLater((values) => jsonText(sources, values));
  return {
    text:
      `json_array_elements(${list}::json) with ordinality as l(item, ord) cross join lateral json_populate_record(null::${table.sql}, l.item -> 0) as p cross join lateral json_populate_record(null::${table.sql}, l.item -> 1) as q`,
    value: (at) => {
      const source = sources[at];
      if (source === undefined) return "null";
      const { alias, column, isKey, listType } = source;
      if (isRecorded(source) && column !== undefined) {
        return `${isKey ? "q" : "p"}.${column.sql}`;
      }
      return `(l.item -> 2 ->> '${alias.replaceAll("'", "''")}')::${listType}`;
    },
  };
}

/**
 * Whether a value travels in a record of the table. JSON that somebody writes
 * himself does not: no parser of ours may round its numbers.
 */
function isRecorded({ column, reference }: WrittenSource): boolean {
  return column !== undefined && reference === undefined &&
    (column.isJson || !JSON_TYPE.test(column.listType ?? ""));
}

/** The rows as JSON. */
function jsonText(
  sources: readonly WrittenSource[],
  values: RowValues,
): string {
  const rows = Array.from({ length: values.count }, (_, row) => {
    const written: Record<string, unknown> = {};
    const keys: Record<string, unknown> = {};
    const plain: Record<string, unknown> = {};
    for (const source of sources) {
      const { alias, column, isKey, valueOf } = source;
      const value = valueOf(values, row);
      if (isRecorded(source) && column !== undefined) {
        (isKey ? keys : written)[column.name] = jsonValue(column, value);
      } else plain[alias] = encoded(source, value);
    }
    return [written, keys, plain];
  });
  return JSON.stringify(rows);
}

/**
 * A value inside JSON that the row type reads: text is read as the type's
 * input, which is what a parameter is; JSON itself has to stay JSON.
 */
function jsonValue(column: ColumnInfo, value: unknown): unknown {
  const encoded = encodeKept(column, value);
  return column.isJson && encoded !== null ? JSON.parse(encoded) : encoded;
}
