import { missingTargetError } from "./_refusals.ts";
import type { Conflict, ConflictRule, Upsert } from "./conflict.ts";
import type { Entity, Entry } from "./entry.ts";
import type { NewEntity } from "./new_entity.ts";
import { hasValue } from "./row_key.ts";
import { SqlExpression } from "./sql_expression.ts";
import {
  type ColumnInfo,
  columnOf,
  type TableInfo,
  XMIN,
} from "./table_info.ts";

/**
 * Prepares a new entity for a row that may be there. Its key is that row's then:
 * a key that is given, or made ahead, is none that others may refer to, unless
 * the row is known by it.
 *
 * @param rule What is asked for.
 * @param table The table.
 * @param values What was given, by property.
 * @param made The entity.
 * @returns It, its key hidden, and what is noted of it.
 * @throws {StateError} When nobody gives a column that the row is known by.
 */
export function prepareUpsert(
  rule: ConflictRule,
  table: TableInfo,
  values: Readonly<Record<string, unknown>>,
  { entity, refs, expressions, hasKey }: NewEntity,
): NewEntity {
  for (const { key } of rule.target) {
    const isGiven = hasValue(entity, key) || refs?.has(key) ||
      expressions?.has(key);
    if (!isGiven) throw missingTargetError(table, key);
  }
  const made = table.columns.filter(({ key }) =>
    values[key] === undefined && hasValue(entity, key)
  );
  const upsert = {
    ...rule,
    made: new Map(made.map((column) => [column, entity[column.key]])),
  };
  const unsure = table.primaryKey.filter((column) =>
    !rule.target.includes(column) && hasValue(entity, column.key)
  );
  const all = new Map(expressions);
  for (const column of unsure) {
    all.set(column.key, writtenValue(column, entity[column.key]));
    table.shape.hide(entity, column);
  }
  return {
    entity,
    refs,
    expressions: all.size === 0 ? undefined : all,
    hasKey: hasKey && unsure.length === 0,
    upsert,
  };
}

/**
 * A value as SQL.
 *
 * @param column Its column.
 * @param value A value of an entity.
 * @throws {TypeError} When it is none of the column's type.
 */
export function writtenValue(
  column: ColumnInfo,
  value: unknown,
): SqlExpression {
  const encoded = column.encode(value);
  return column.express?.(value) ?? new SqlExpression((add) => add(encoded));
}

/**
 * How the INSERT of an entity treats a row that is there.
 *
 * @param entry A new one that was added with a rule.
 * @param rule That.
 * @param written What is inserted.
 */
export function conflictOf(
  { entity, table }: Pick<Entry, "entity" | "table">,
  { target, set, made }: Upsert,
  { columns, values, expressions }: {
    readonly columns: readonly ColumnInfo[];
    readonly values: readonly unknown[];
    readonly expressions: ReadonlyMap<ColumnInfo, SqlExpression> | undefined;
  },
): Conflict {
  const given = [...columns, ...expressions?.keys() ?? []].filter((column) =>
    !target.includes(column) && !table.primaryKey.includes(column) &&
    !(made.has(column) && holds(entity, column, made.get(column)))
  );
  const sets = new Map<ColumnInfo, SqlExpression | undefined>(
    set ?? given.map((column) => [column, undefined]),
  );
  for (const column of table.columns) {
    // As Drizzle does at every update.
    const isDue = column.makeUpdate !== undefined && !sets.has(column);
    if (isDue && !target.includes(column)) sets.set(column, undefined);
  }
  const { version } = table;
  if (version !== undefined && version !== XMIN) {
    const column = columnOf(table, version);
    const before = `${table.sql}.${column.sql}`;
    sets.set(column, new SqlExpression(() => `coalesce(${before}, 0) + 1`));
  }
  const [first] = target;
  // PostgreSQL returns no row that it has left alone.
  if (sets.size === 0 && first !== undefined) sets.set(first, undefined);
  const isTold = target.every((column) => {
    const at = columns.indexOf(column);
    return at >= 0 && values[at] !== null;
  });
  return { target, sets, isTold };
}

function holds(entity: Entity, { key }: ColumnInfo, value: unknown): boolean {
  return hasValue(entity, key) && entity[key] === value;
}
