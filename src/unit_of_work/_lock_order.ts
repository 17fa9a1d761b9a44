import type { Change } from "./change_set.ts";
import { KeptObject, type KeptValue } from "./kept_value.ts";
import { storedValue } from "./row_key.ts";
import type { ColumnInfo, TableInfo } from "./table_info.ts";

/**
 * Puts tables in the order in which all sessions lock rows of them: what others
 * refer to comes first, then names decide. Tables of new rows keep their places:
 * a trigger, or a foreign key that the schema does not tell, may want the order
 * in which they were given.
 *
 * @param tables The tables of a flush.
 * @param hasNewRows Whether one gets new rows.
 */
export function tablesInLockOrder(
  tables: readonly TableInfo[],
  hasNewRows: (table: TableInfo) => boolean,
): readonly TableInfo[] {
  const locked = tables.filter((table) => !hasNewRows(table));
  if (locked.length < 2) return tables;
  const sorted = locked
    .map((table) => ({ table, below: tablesBelow(table) }))
    .toSorted((a, b) =>
      a.below - b.below || compare(a.table.name, b.table.name)
    )
    .values();
  return tables.map((table) =>
    hasNewRows(table) ? table : sorted.next().value?.table ?? table
  );
}

/**
 * How many tables one refers to, over others, too: fewer than whoever refers to
 * it, whatever else is in the flush.
 */
function tablesBelow(table: TableInfo): number {
  const below = new Set([table]);
  for (const { foreignKeys } of below) {
    for (const { target } of foreignKeys) below.add(target());
  }
  return below.size;
}

/**
 * Puts changes of one statement in the order in which all sessions lock their
 * rows: deadlocks are for those who lock in another one.
 *
 * @param group The changes, alike.
 */
export function inLockOrder(group: readonly Change[]): readonly Change[] {
  const [first] = group;
  const columns = first && lockedBy(first);
  // Those that are new lock nothing that others have.
  if (columns === undefined) return group;
  return group.toSorted((a, b) => compareBy(columns, a, b));
}

/**
 * Which of two statements, for one place, locks its first row first.
 *
 * @param a The changes of one, in lock order.
 * @param b Those of the other.
 */
export function compareLocks(
  [a]: readonly Change[],
  [b]: readonly Change[],
): number {
  const areStored = a?.kind !== "insert" && b?.kind !== "insert";
  return a && b && areStored ? compareBy(a.entry.table.primaryKey, a, b) : 0;
}

/** The columns by which changes find the rows that they lock, if they do. */
function lockedBy(
  { kind, conflict, entry: { table } }: Change,
): readonly ColumnInfo[] | undefined {
  return kind === "insert" ? conflict?.target : table.primaryKey;
}

function compareBy(
  columns: readonly ColumnInfo[],
  a: Change,
  b: Change,
): number {
  for (const column of columns) {
    const order = compare(
      orderOf(lockedValue(a, column)),
      orderOf(lockedValue(b, column)),
    );
    if (order !== 0) return order;
  }
  return 0;
}

function lockedValue(
  { kind, entry, columns, values }: Change,
  column: ColumnInfo,
): KeptValue {
  return kind === "insert"
    ? values[columns.indexOf(column)]
    : storedValue(entry, column);
}

function compare(a: unknown, b: unknown): number {
  const isNumber = (typeof a === "number" || typeof a === "bigint") &&
    (typeof b === "number" || typeof b === "bigint");
  if (isNumber) return a < b ? -1 : a > b ? 1 : 0;
  const [x, y] = [String(a), String(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** The text of a `Date` is the same for a whole second. */
function orderOf(value: KeptValue): unknown {
  return value instanceof KeptObject ? value.order : value;
}
