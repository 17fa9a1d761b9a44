import type { Change } from "./change_set.ts";
import { NULL_TEXT } from "./row_key.ts";
import { type ColumnInfo, columnOf, type TableInfo } from "./table_info.ts";

/** Columns that are unique. */
interface UniqueColumns {
  /** How messages call the constraint. */
  readonly name: string;
  /** The columns. */
  readonly columns: readonly ColumnInfo[];
  /** What NULL is known by, where it equals itself. */
  readonly nullText: string | undefined;
}

/**
 * What is unique in a table: what the schema declares, and what upserts name,
 * whether the schema says so or not.
 *
 * @param table The table.
 * @param inserts What is inserted into it.
 */
export function uniqueColumns(
  table: TableInfo,
  inserts: readonly Change[],
): UniqueColumns[] {
  const named = new Map<string, UniqueColumns>();
  for (const { conflict } of inserts) {
    if (conflict === undefined) continue;
    const columns = conflict.target;
    const name = columns.map(({ key }) => key).join();
    named.set(name, { name, columns, nullText: undefined });
  }
  return [
    {
      name: `${table.name}_pkey`,
      columns: table.primaryKey,
      nullText: undefined,
    },
    ...table.uniqueKeys.map(({ name, keys, nullsNotDistinct }) => ({
      name,
      columns: keys.map((key) => columnOf(table, key)),
      nullText: nullsNotDistinct ? NULL_TEXT : undefined,
    })),
    ...named.values(),
  ];
}
