import type { FieldDescription } from "./_pg_client.ts";
import { arrayJson } from "./_pg_array.ts";

/** What a statement gave. */
export interface SqlResult {
  readonly fields: readonly FieldDescription[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** PostgreSQL's command tag, such as `INSERT 0 1`. */
  readonly tag: string;
}

/** How a result is written. */
export interface ResultFormat {
  /** Rows as arrays. */
  readonly arrayMode: boolean;
  /**
   * The element type of each array type among the columns; `undefined` leaves
   * every value as PostgreSQL's text.
   */
  readonly arrayElements: ReadonlyMap<number, number> | undefined;
}

const BOOL = 16;
const INTEGERS: readonly number[] = [21, 23];
const FLOATS: readonly number[] = [700, 701];
const JSON_TYPES: readonly number[] = [114, 3802];

/**
 * A result as the JSON text of Neon's answer.
 *
 * @param result What a statement gave.
 * @param format How rows and values are written.
 */
export function resultJson(result: SqlResult, format: ResultFormat): string {
  const { fields, rows, tag } = result;
  const { arrayMode, arrayElements } = format;
  const keys = fields.map((field) => JSON.stringify(field.name) + ":");
  const rowTexts = rows.map((row) => {
    const values = row.map((value, i) =>
      valueJson(value, fields[i]?.dataTypeID ?? 0, arrayElements)
    );
    return arrayMode
      ? `[${values.join(",")}]`
      : `{${values.map((value, i) => keys[i] + value).join(",")}}`;
  });
  const { command, rowCount } = readTag(tag);
  return `{"rowAsArray":${arrayMode},"fields":${
    JSON.stringify(fields.map(fieldObject))
  },"rows":[${rowTexts.join(",")}],"command":${
    JSON.stringify(command)
  },"rowCount":${rowCount}}`;
}

function fieldObject(field: FieldDescription): Record<string, unknown> {
  return {
    name: field.name,
    dataTypeID: field.dataTypeID,
    tableID: field.tableID,
    columnID: field.columnID,
    dataTypeSize: field.dataTypeSize,
    dataTypeModifier: field.dataTypeModifier,
    format: "text",
  };
}

/** Text, because a number in a `json` column may have more digits than ours. */
function valueJson(
  value: string | null,
  typeId: number,
  arrayElements: ReadonlyMap<number, number> | undefined,
): string {
  if (value === null) return "null";
  if (arrayElements === undefined) return JSON.stringify(value);
  const elementId = arrayElements.get(typeId);
  if (elementId !== undefined) {
    return arrayJson(value, (text) => scalarJson(text, elementId));
  }
  return scalarJson(value, typeId);
}

function scalarJson(text: string, typeId: number): string {
  if (typeId === BOOL) return String(text === "t");
  if (INTEGERS.includes(typeId)) return text;
  if (FLOATS.includes(typeId)) {
    return Number.isFinite(Number(text)) ? text : JSON.stringify(text);
  }
  return JSON_TYPES.includes(typeId) ? text : JSON.stringify(text);
}

function readTag(tag: string): { command: string; rowCount: number | null } {
  const [command = "", ...rest] = tag.split(" ");
  const count = command === "INSERT" ? rest[1] : rest.join(" ");
  return {
    command,
    rowCount: count !== undefined && /^\d+$/.test(count) ? Number(count) : null,
  };
}
