import type { Change } from "./change_set.ts";
import { KeptObject, type KeptValue } from "./kept_value.ts";
import { storedValue } from "./row_key.ts";
import type { ColumnInfo } from "./table_info.ts";

/**
 * Puts changes of one statement in the order in which all sessions lock their
 * rows: deadlocks are for those who lock in another one.
 *
 * @param first The first of them.
 * @param group All of them, alike.
 */
export function inLockOrder(
  { kind, conflict, columns, entry: { table } }: Change,
  group: readonly Change[],
): readonly Change[] {
  if (kind !== "insert") {
    return sortedBy(
      group,
      table.primaryKey,
      ({ entry }, column) => storedValue(entry, column),
    );
  }
  // Those that are new lock nothing that others have.
  if (conflict === undefined) return group;
  return sortedBy(
    group,
    conflict.target,
    ({ values }, column) => values[columns.indexOf(column)],
  );
}

function sortedBy(
  group: readonly Change[],
  columns: readonly ColumnInfo[],
  valueOf: (change: Change, column: ColumnInfo) => KeptValue,
): readonly Change[] {
  return group.toSorted((a, b) => {
    for (const column of columns) {
      const order = compare(
        orderOf(valueOf(a, column)),
        orderOf(valueOf(b, column)),
      );
      if (order !== 0) return order;
    }
    return 0;
  });
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
