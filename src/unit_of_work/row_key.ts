import { noPrimaryKeyError } from "./_refusals.ts";
import type { Entry } from "./entry.ts";
import { encodeKept, type KeptValue, UNKNOWN } from "./kept_value.ts";
import { KeyReference } from "./key_reference.ts";
import type { ColumnInfo, TableInfo } from "./table_info.ts";

/**
 * What NULL is known by, where it equals itself: no text of the database has
 * such a character.
 */
export const NULL_TEXT = "\0null";

/**
 * The text of some columns, to compare rows by: as the database would be given
 * them.
 *
 * @param columns The columns.
 * @param valueOf Their values.
 * @param nullText What NULL is known by, where it equals itself.
 * @returns Nothing where a part is not known, or NULL and nothing else is said.
 * @throws {TypeError} When a part is NaN.
 */
export function keyText(
  columns: readonly ColumnInfo[],
  valueOf: (column: ColumnInfo) => unknown,
  nullText?: string,
): string | undefined {
  const [only] = columns;
  if (only !== undefined && columns.length === 1) {
    return partText(only, valueOf(only), nullText);
  }
  const parts: string[] = [];
  for (const column of columns) {
    const part = partText(column, valueOf(column), nullText);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return JSON.stringify(parts);
}

function partText(
  column: ColumnInfo,
  value: unknown,
  nullText: string | undefined,
): string | undefined {
  // What the database has yet to make is known by where it will be found.
  if (value instanceof KeyReference) return `\0${value.name} ${value.place}`;
  if (value === null) return nullText;
  if (value === UNKNOWN || value === undefined) return undefined;
  if (Number.isNaN(value)) {
    throw new TypeError(`Cannot use a key: column "${column.key}" is NaN`);
  }
  return encodeKept(column, value) ?? undefined;
}

/**
 * The value that an entry's row has in a column, as it is kept, as far as it is
 * known.
 *
 * @param entry The entry.
 * @param column The column.
 */
export function storedValue(entry: Entry, column: ColumnInfo): KeptValue {
  return entry.row[column.at];
}

/**
 * The value that an entry's row has in a column; where the database has yet to
 * make it, where it will be found.
 *
 * @param entry The entry.
 * @param column The column.
 */
export function storedOrPublished(entry: Entry, column: ColumnInfo): unknown {
  const stored = storedValue(entry, column);
  return stored === UNKNOWN ? entry.published?.get(column.key) : stored;
}

/**
 * Whether a property holds a value, or still stands for one that the database
 * has yet to make.
 *
 * @param entity The entity.
 * @param key The property.
 */
export function hasValue(entity: object, key: string): boolean {
  const property = Object.getOwnPropertyDescriptor(entity, key);
  return property !== undefined && "value" in property &&
    property.value !== undefined;
}

/**
 * Refuses a table whose rows cannot be told apart.
 *
 * @param call What it is needed for, such as `add to`.
 * @param table The table.
 * @throws {StateError} When it has no primary key.
 */
export function requireKey(call: string, table: TableInfo): void {
  if (table.primaryKey.length === 0) throw noPrimaryKeyError(call, table);
}
