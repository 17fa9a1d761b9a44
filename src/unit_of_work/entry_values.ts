import type { Entry } from "./entry.ts";
import {
  isKept,
  keepRaw,
  keepValue,
  KeptObject,
  type KeptValue,
  restored,
  UNKNOWN,
} from "./kept_value.ts";
import { setValue } from "./entity_shape.ts";
import { hasValue } from "./row_key.ts";
import type { ColumnInfo } from "./table_info.ts";

/**
 * Takes in what the database answered to a write of the session: what the
 * entity holds is replaced, unless it was changed since.
 *
 * @param entry The entry.
 * @param sealed Its row as the statement has left it, as far as it was known.
 * @param column The column.
 * @param raw Its value, as the driver has parsed it.
 */
export function fillIn(
  entry: Entry,
  sealed: KeptValue[],
  column: ColumnInfo,
  raw: unknown,
): void {
  const value = column.decode(raw);
  const before = sealed[column.at];
  // What was written is what there is, but for triggers and roundings.
  const isWritten = isKept(before, value);
  const isAlias = before instanceof KeptObject && before.isAlias;
  if (isWritten && !isAlias) return;
  const kept = keepRaw(column, raw, value);
  const { row } = entry;
  const isLatest = Object.is(row[column.at], before);
  // A later statement, not answered yet, has started from it.
  if (isLatest || row === sealed) {
    // First: one that was frozen takes nothing over, and is not known then.
    if (!isWritten) takeOver(entry, column, { before, kept, value });
    row[column.at] = kept;
  }
  sealed[column.at] = kept;
}

/**
 * Takes in a row that was read again: what the entity holds is replaced, unless
 * it was changed.
 *
 * @param entry The entry.
 * @param row The row.
 * @param values The same, as values of an entity; undefined where not read.
 */
export function refresh(
  entry: Entry,
  row: readonly KeptValue[],
  values: readonly unknown[],
): void {
  const before = entry.row;
  const { columns } = entry.table;
  // Behind the columns is the version: that of another row says nothing.
  entry.row = row.map((kept, at) =>
    kept === UNKNOWN && at < columns.length ? before[at] : kept
  );
  for (const column of entry.table.columns) {
    const kept = row[column.at];
    if (kept === UNKNOWN) continue;
    const value = values[column.at];
    takeOver(entry, column, { before: before[column.at], kept, value });
  }
}

/**
 * What an entity holds now, to compare with later.
 *
 * @param entry Its entry.
 */
export function keepAll({ entity, table }: Entry): KeptValue[] {
  return table.columns.map((column) =>
    hasValue(entity, column.key)
      ? keepValue(column, entity[column.key])
      : UNKNOWN
  );
}

/**
 * Gives an entity the values that its row has.
 *
 * @param entry The entry.
 */
export function restoreValues(
  { entity, table, row, isAdded }: Entry,
): void {
  for (const column of table.columns) {
    const { at, key } = column;
    const kept = row[at];
    if (kept !== UNKNOWN) {
      // What is known has no accessor that would throw.
      const value = entity[key];
      if (value !== undefined && isKept(kept, value)) continue;
      setValue(entity, key, restored(kept));
    } else if (hasValue(entity, key)) {
      // The answer to its INSERT has yet to come; or the row was given without.
      if (isAdded) table.shape.hide(entity, column);
      else delete entity[key];
    }
  }
}

/** What becomes of a column of a row. */
interface Replacement {
  readonly before: KeptValue;
  readonly kept: KeptValue;
  /** What is kept, as a value of the entity. */
  readonly value: unknown;
}

function takeOver(
  { entity, last }: Entry,
  { at, key }: ColumnInfo,
  { before, kept, value }: Replacement,
): void {
  if (before === UNKNOWN) {
    // It was given a value meanwhile.
    if (hasValue(entity, key)) return;
  } else {
    const present = entity[key];
    if (present !== undefined) {
      // It was changed meanwhile.
      if (!isKept(before, present)) return;
      // The user may hold the object itself, to change it further.
      if (isKept(kept, present)) return;
    }
  }
  setValue(entity, key, value);
  if (last !== undefined) last[at] = kept;
}
