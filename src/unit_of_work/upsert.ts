import { missingTargetError } from "./_refusals.ts";
import type { Conflict, ConflictRule, Upsert } from "./conflict.ts";
import type { Entry } from "./entry.ts";
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
 * Prepares a new entity for a row that may be there. Its key is that row's then,
 * and so is what nobody has given: such values are of a new row only, and hidden
 * until the database has told which one it is.
 *
 * @param rule What is asked for.
 * @param table The table.
 * @param values What was given, by property.
 * @param made The entity.
 * @returns It, and what is noted of it.
 * @throws {StateError} When nobody gives a column that the row is known by.
 */
export function prepareUpsert(
  rule: ConflictRule,
  table: TableInfo,
  values: Readonly<Record<string, unknown>>,
  { entity, refs, expressions, hasKey }: NewEntity,
): NewEntity {
  for (const { key, maker } of rule.target) {
    const isGiven = hasValue(entity, key) || refs?.has(key) ||
      expressions?.has(key) || maker === "generated";
    if (!isGiven) throw missingTargetError(table, key);
  }
  const made = new Map<ColumnInfo, unknown>();
  for (const column of table.columns) {
    const { key } = column;
    const isKey = table.primaryKey.includes(column);
    const isGiven = values[key] !== undefined && !isKey;
    if (isGiven || rule.target.includes(column)) continue;
    if (expressions?.has(key)) made.set(column, expressions.get(key));
    if (!hasValue(entity, key)) continue;
    made.set(column, entity[key]);
    table.shape.hide(entity, column);
  }
  return {
    entity,
    refs,
    expressions,
    hasKey: hasKey && !table.primaryKey.some((column) => made.has(column)),
    upsert: { ...rule, made },
  };
}

/**
 * Whether a row that is there keeps its own value of a column, since nobody has
 * given one.
 *
 * @param entry A new entity.
 * @param column The column.
 */
export function isLeftToRow(
  { entity, upsert }: Pick<Entry, "entity" | "upsert">,
  column: ColumnInfo,
): boolean {
  return upsert?.made.has(column) === true && !hasValue(entity, column.key);
}

/**
 * Whether a row that is there may have another value of a column than the
 * entity, which is to be new.
 *
 * @param entry The entity's entry.
 * @param column The column.
 */
export function isUnsure(entry: Entry, column: ColumnInfo): boolean {
  return entry.state === "new" && mayDiffer(entry, column);
}

/**
 * Whether a row that was there may have got another value of a column than was
 * given.
 *
 * @param entry The entity's entry.
 * @param column The column.
 */
export function mayDiffer(
  { table, upsert }: Entry,
  column: ColumnInfo,
): boolean {
  if (upsert === undefined) return false;
  const { target, set } = upsert;
  // Whoever gives a version, that of the row is counted.
  if (column.key === table.version) return true;
  return set !== undefined && (!target.includes(column) || set.has(column));
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

/** What functions of the schema have made for the updates of a flush, once. */
export type UpdateValues = Map<ColumnInfo, SqlExpression>;

/**
 * How the INSERT of an entity treats a row that is there.
 *
 * @param entry A new one that was added with a rule.
 * @param rule That.
 * @param written What is inserted, and what updates get beside it.
 */
export function conflictOf(
  entry: Pick<Entry, "entity" | "table" | "upsert">,
  { target, set }: Upsert,
  { columns, values, expressions, updates }: {
    readonly columns: readonly ColumnInfo[];
    readonly values: readonly unknown[];
    readonly expressions: ReadonlyMap<ColumnInfo, SqlExpression> | undefined;
    readonly updates: UpdateValues;
  },
): Conflict {
  const { table } = entry;
  const given = [...columns, ...expressions?.keys() ?? []].filter((column) =>
    !target.includes(column) && !table.primaryKey.includes(column) &&
    !isLeftToRow(entry, column)
  );
  const sets = new Map<ColumnInfo, SqlExpression | undefined>(
    set ?? given.map((column) => [column, undefined]),
  );
  for (const column of table.columns) {
    // As Drizzle does at every update.
    const isDue = column.makeUpdate !== undefined && !sets.has(column);
    if (isDue && !target.includes(column)) {
      sets.set(column, updateValue(column, updates));
    }
  }
  const { version } = table;
  if (version !== undefined && version !== XMIN) {
    const column = columnOf(table, version);
    const before = present(table, column);
    sets.set(column, new SqlExpression(() => `coalesce(${before}, 0) + 1`));
  }
  if (sets.size === 0) {
    // PostgreSQL returns no row that it has left alone.
    const column = [...target, ...table.columns].find(isUpdatable);
    const before = column && present(table, column);
    if (before) sets.set(column, new SqlExpression(() => before));
  }
  const isTold = target.every((column) => {
    const at = columns.indexOf(column);
    return at >= 0 && values[at] !== null && !set?.has(column);
  });
  return { target, sets, isTold };
}

/** The value that a row has. */
function present(table: TableInfo, column: ColumnInfo): string {
  return `${table.sql}.${column.sql}`;
}

function isUpdatable({ maker, isIdentityAlways }: ColumnInfo): boolean {
  return maker !== "generated" && !isIdentityAlways;
}

/** Another one for each row would make each row a statement of its own. */
function updateValue(
  column: ColumnInfo,
  updates: UpdateValues,
): SqlExpression {
  const known = updates.get(column);
  if (known !== undefined) return known;
  const made = column.makeUpdate?.();
  const value = made instanceof SqlExpression
    ? made
    : writtenValue(column, made);
  updates.set(column, value);
  return value;
}
