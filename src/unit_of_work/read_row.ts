import type { Entity } from "./entry.ts";
import { keepRaw, keepValue, type KeptValue, UNKNOWN } from "./kept_value.ts";
import { type TableInfo, XMIN } from "./table_info.ts";

/** A row that was read. */
export interface ReadRow {
  /** Its table. */
  readonly table: TableInfo;
  /** Its values, by column, to compare with later; `xmin` behind them. */
  readonly kept: KeptValue[];
  /** The same as values of an entity. */
  readonly values: readonly unknown[];
  /** What is tracked where the session has no entity for it. */
  readonly makeEntity: () => Entity;
}

/**
 * A row as the driver has parsed it.
 *
 * @param table Its table.
 * @param raw All columns, and `xmin` behind them where the version is that.
 */
export function rawRow(table: TableInfo, raw: readonly unknown[]): ReadRow {
  const { columns } = table;
  const values = columns.map(({ at, decode }) => decode(raw[at]));
  const kept = columns.map((column) =>
    keepRaw(column, raw[column.at], values[column.at])
  );
  if (table.version === XMIN) kept.push(raw[columns.length]);
  return {
    table,
    kept,
    values,
    makeEntity() {
      const entity = table.shape.make();
      for (const { at, key } of columns) entity[key] = values[at];
      return entity;
    },
  };
}

/**
 * A row that the user holds.
 *
 * @param table Its table.
 * @param entity The row, by property; it is what is tracked.
 * @throws {TypeError} When a part of the key is missing.
 */
export function givenRow(table: TableInfo, entity: Entity): ReadRow {
  for (const { key } of table.primaryKey) {
    if (entity[key] !== undefined && entity[key] !== null) continue;
    throw new TypeError(
      `Cannot track a row of "${table.name}": it lacks its key column "${key}"`,
    );
  }
  const values = table.columns.map(({ key }) => entity[key]);
  const kept = table.columns.map((column) => {
    const value = values[column.at];
    return value === undefined ? UNKNOWN : keepValue(column, value);
  });
  // A select does not give it.
  if (table.version === XMIN) kept.push(UNKNOWN);
  return { table, kept, values, makeEntity: () => entity };
}
