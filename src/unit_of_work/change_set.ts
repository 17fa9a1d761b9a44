import {
  generatedError,
  notFlushedError,
  removedError,
  unversionedError,
} from "./_refusals.ts";
import type { Entry } from "./entry.ts";
import { setValue } from "./entity_shape.ts";
import type { KeyReference } from "./key_reference.ts";
import {
  isKept,
  keepWritten,
  type KeptValue,
  restored,
  UNKNOWN,
} from "./kept_value.ts";
import type { Ref } from "./ref.ts";
import { hasValue } from "./row_key.ts";
import { SqlExpression } from "./sql_expression.ts";
import { type ColumnInfo, columnOf, XMIN } from "./table_info.ts";
import type { Conflict } from "./conflict.ts";
import { conflictOf, isUnsure, type UpdateValues } from "./upsert.ts";

/** What is to be done to one row. */
export interface Change {
  /** Insert, update or delete. */
  readonly kind: "insert" | "update" | "delete";
  /** The entity. */
  readonly entry: Entry;
  /** The columns that are written. */
  readonly columns: readonly ColumnInfo[];
  /** Their values in order, kept, or what stands for another row's. */
  readonly values: readonly unknown[];
  /** Columns that the database computes. */
  readonly expressions: ReadonlyMap<ColumnInfo, SqlExpression> | undefined;
  /** What becomes of a row that is there, where one may be: of an insert. */
  readonly conflict?: Conflict | undefined;
  /** Whether the row has to be as it was loaded. */
  readonly isVersioned: boolean;
}

/** What is written of an entity. */
type Written = Pick<Change, "columns" | "values" | "expressions">;

/** Finds the entry of an entity, or throws what it is needed for. */
export type EntryFinder = (entity: object, call: string) => Entry;

/**
 * Compares an entity with its row.
 *
 * @param entry A stored one.
 * @returns The columns that differ.
 */
export function changedColumns(
  { entity, table: { columns }, row }: Entry,
): ColumnInfo[] {
  const changed: ColumnInfo[] = [];
  for (const column of columns) {
    const kept = row[column.at];
    if (kept === UNKNOWN) {
      // Reading an accessor would throw.
      if (hasValue(entity, column.key)) changed.push(column);
      continue;
    }
    const value = entity[column.key];
    if (value !== kept && value !== undefined && !isKept(kept, value)) {
      changed.push(column);
    }
  }
  return changed;
}

/**
 * What has to be done to make an entity's row as it is.
 *
 * @param entry The entry.
 * @param entryOf Finds other entities.
 * @param updates What was made for other upserts of the flush; it makes more.
 * @returns Nothing where it is so already.
 * @throws {StateError} When a removed one was changed, or it refers to one
 * that is not of this session.
 * @throws {TypeError} When a generated column was changed.
 */
export function changeOf(
  entry: Entry,
  entryOf: EntryFinder,
  updates: UpdateValues,
): Change | undefined {
  switch (entry.state) {
    case "new":
      return insertOf(entry, insertedValues(entry, entryOf), updates);
    case "stored":
      return updateOf(entry);
    case "removed":
      if (wasTouched(entry)) {
        throw removedError("flush", entry.table, entry.entity);
      }
      return {
        ...NOTHING,
        kind: "delete",
        entry,
        isVersioned: hasVersion(entry),
      };
    default:
      return undefined;
  }
}

/**
 * Whether the database may change, or delete, rows that refer to its row.
 *
 * @param change The change.
 */
export function mayCascade(
  { kind, entry: { table }, columns, expressions, conflict }: Change,
): boolean {
  if (kind === "delete") return true;
  const isWritten = (column: ColumnInfo) =>
    kind === "insert"
      ? conflict?.sets.has(column) === true
      : columns.includes(column) || expressions?.has(column) === true;
  // PostgreSQL lets nothing else be referred to.
  return table.primaryKey.some(isWritten) ||
    table.uniqueKeys.some(({ keys }) =>
      keys.some((key) => isWritten(columnOf(table, key)))
    );
}

function insertOf(
  entry: Entry,
  written: Written,
  updates: UpdateValues,
): Change {
  const { columns, values, expressions } = written;
  const { upsert } = entry;
  const conflict = upsert && conflictOf(entry, upsert, { ...written, updates });
  return {
    kind: "insert",
    entry,
    columns,
    values,
    expressions,
    conflict,
    isVersioned: false,
  };
}

/** Whether an entity was changed after it was removed. */
function wasTouched({ entity, table, last }: Entry): boolean {
  return table.columns.some(({ at, key }) => {
    const kept = last === undefined ? UNKNOWN : last[at];
    return kept !== UNKNOWN && !isKept(kept, entity[key]);
  });
}

const NOTHING: Written = { columns: [], values: [], expressions: undefined };

function insertedValues(entry: Entry, entryOf: EntryFinder): Written {
  const { entity, table, refs } = entry;
  if (isPlainInsert(entry)) return plainInsert(entry);
  const columns: ColumnInfo[] = [];
  const values: unknown[] = [];
  let expressions: Map<ColumnInfo, SqlExpression> | undefined;
  for (const column of table.columns) {
    const { key } = column;
    const target = refs?.get(key);
    const expression = entry.expressions?.get(key);
    const value = hasValue(entity, key)
      ? entity[key]
      : entry.upsert?.made.get(column);
    const written = value === undefined
      ? UNKNOWN
      : column.express?.(value) ?? value;
    if (written instanceof SqlExpression) {
      (expressions ??= new Map()).set(column, written);
    } else if (written !== UNKNOWN) {
      columns.push(column);
      values.push(keepWritten(column, written));
    } else if (target !== undefined) {
      columns.push(column);
      values.push(referenced(`"${table.name}"."${key}"`, target, entryOf));
    } else if (expression !== undefined) {
      (expressions ??= new Map()).set(column, expression);
    }
  }
  return { columns, values, expressions };
}

/** Whether it gives all that is left to it, as values. */
function isPlainInsert(
  { entity, table, refs, expressions, upsert }: Entry,
): boolean {
  if (refs !== undefined || expressions !== undefined) return false;
  if (upsert !== undefined && upsert.made.size > 0) return false;
  if (table.writesSql) return false;
  for (const { key } of table.madeColumns) {
    if (hasValue(entity, key)) return false;
  }
  return true;
}

/** There may be thousands: it allocates nothing that does not stay. */
function plainInsert({ entity, table: { givenColumns } }: Entry): Written {
  const values = new Array<unknown>(givenColumns.length);
  for (let at = 0; at < givenColumns.length; at++) {
    const column = givenColumns[at];
    if (column) values[at] = keepWritten(column, entity[column.key]);
  }
  return { columns: givenColumns, values, expressions: undefined };
}

/**
 * What a reference stands for, as far as it is known.
 *
 * @param place The table and the column that it is given for.
 * @param target The reference.
 * @param entryOf Finds its entity.
 * @returns The value, or where statements find it, or the reference itself:
 * the same flush makes the value.
 * @throws {StateError} When nothing will make it.
 */
function referenced(
  place: string,
  target: Ref<unknown>,
  entryOf: EntryFinder,
): KeptValue | KeyReference | Ref<unknown> {
  const { entity, key } = target;
  const entry = entryOf(entity, `use a ref for ${place}`);
  const own = columnOf(entry.table, key);
  const { key: property } = own;
  if (hasValue(entity, property) && !isUnsure(entry, own)) {
    return keepWritten(own, entry.entity[property]);
  }
  if (entry.state === "new") return target;
  const published = entry.published?.get(property);
  if (published !== undefined) return published;
  throw notFlushedError(entry.table, property);
}

function updateOf(entry: Entry): Change | undefined {
  const { entity, table } = entry;
  const changed = changedColumns(entry);
  if (changed.length === 0) return undefined;
  const expressions = new Map<ColumnInfo, SqlExpression>();
  const columns: ColumnInfo[] = [];
  const values: unknown[] = [];
  for (const column of table.columns) {
    const isChanged = changed.includes(column);
    if (column.key === table.version) continue;
    if (!isChanged && column.makeUpdate === undefined) continue;
    if (isChanged && column.maker === "generated") {
      throw generatedError(table, column.key);
    }
    const given = isChanged ? entity[column.key] : column.makeUpdate?.();
    const value = column.express?.(given) ?? given;
    if (value instanceof SqlExpression) expressions.set(column, value);
    else {
      columns.push(column);
      values.push(keepWritten(column, value));
    }
  }
  return {
    kind: "update",
    entry,
    columns,
    values,
    expressions: expressions.size === 0 ? undefined : expressions,
    isVersioned: hasVersion(entry),
  };
}

/**
 * Gives an entity what functions of the schema have made for its update, so
 * that it is as its row will be.
 *
 * @param change What is about to be sent.
 */
export function showMade({ kind, entry, columns, values }: Change): void {
  if (kind !== "update") return;
  for (const [at, { key, makeUpdate }] of columns.entries()) {
    const value = values[at];
    if (makeUpdate === undefined || isKept(value, entry.entity[key])) continue;
    setValue(entry.entity, key, restored(value));
  }
}

/** One whose INSERT is on the way is nobody else's yet. */
function hasVersion(entry: Entry): boolean {
  const { table } = entry;
  if (table.version === undefined) return false;
  if (versionOf(entry) !== UNKNOWN) return true;
  if (entry.awaited > 0) return false;
  throw unversionedError(table, entry.entity);
}

/**
 * The version that an entity was loaded with.
 *
 * @param entry Its entry, of a table that has versions.
 */
export function versionOf({ table, row }: Entry): unknown {
  const { version = "", columns } = table;
  return version === XMIN
    ? row[columns.length]
    : row[columnOf(table, version).at];
}
