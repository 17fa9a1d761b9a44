import { generatedError, missingValueError } from "./_refusals.ts";
import type { Entity } from "./entry.ts";
import { UNKNOWN } from "./kept_value.ts";
import { Ref } from "./ref.ts";
import { SqlExpression } from "./sql_expression.ts";
import type { ColumnInfo, TableInfo } from "./table_info.ts";
import type { Upsert } from "./conflict.ts";

/** An entity that is to be inserted. */
export interface NewEntity {
  /** What the user holds. */
  readonly entity: Entity;
  /** By property: what stands for a value that another row will have. */
  readonly refs: Map<string, Ref<unknown>> | undefined;
  /** By property: values that the database computes. */
  readonly expressions: Map<string, SqlExpression> | undefined;
  /** What a row gets that is there already, where one may be. */
  readonly upsert?: Upsert | undefined;
  /** Whether its key is known. */
  readonly hasKey: boolean;
}

/** Makes entities of values. */
export class EntityMaker {
  readonly #valueOf: (ref: Ref<unknown>, place: string) => unknown;

  /**
   * @param valueOf Finds the value of a reference, or `UNKNOWN`.
   */
  constructor(valueOf: (ref: Ref<unknown>, place: string) => unknown) {
    this.#valueOf = valueOf;
  }

  /**
   * Makes an entity. Each of its columns has a value afterwards, or an
   * accessor: reading it throws, assigning gives the column a value.
   *
   * @param table Its table.
   * @param values What is given, by property.
   * @throws {TypeError} When a property is no column, or one that the database
   * always makes.
   * @throws {StateError} When a value is missing.
   */
  make(table: TableInfo, values: Readonly<Record<string, unknown>>): NewEntity {
    const entity = table.shape.make();
    let refs: Map<string, Ref<unknown>> | undefined;
    let expressions: Map<string, SqlExpression> | undefined;
    let hasKey = true;
    for (const column of table.columns) {
      const { key } = column;
      let value = expressed(table, values[key]);
      if (value === undefined) value = omitted(table, column);
      else if (column.maker === "generated") {
        throw generatedError(table, key);
      }
      // Most are neither.
      if (typeof value === "object" && value !== null) {
        if (value instanceof Ref) {
          const target = value;
          value = this.#valueOf(target, `"${table.name}"."${key}"`);
          if (value === UNKNOWN) (refs ??= new Map()).set(key, target);
        } else if (value instanceof SqlExpression) {
          (expressions ??= new Map()).set(key, value);
          value = UNKNOWN;
        }
      }
      if (value !== UNKNOWN) entity[key] = value;
      else {
        table.shape.hide(entity, column);
        if (table.primaryKey.includes(column)) hasKey = false;
      }
    }
    refuseOthers(table, values);
    return { entity, refs, expressions, hasKey };
  }
}

/** What is given, where it is SQL as a value; `default` is given by nobody. */
function expressed(table: TableInfo, value: unknown): unknown {
  // Most are none, which is told faster than what they are.
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date || value instanceof Ref) return value;
  const expression = table.expressionOf(value);
  if (expression === undefined) return value;
  return expression.isDefault ? undefined : expression;
}

/** Refuses properties that are no columns. */
function refuseOthers(
  table: TableInfo,
  values: Readonly<Record<string, unknown>>,
): void {
  // A list of them would be one object more for each of thousands of rows.
  for (const key in values) {
    if (!table.byKey.has(key) && Object.hasOwn(values, key)) {
      throw new TypeError(
        `Cannot add to "${table.name}": it has no column or relation "${key}"`,
      );
    }
  }
}

/** The value of a column that was left out. */
function omitted(table: TableInfo, column: ColumnInfo): unknown {
  switch (column.maker) {
    case "client":
      return column.makeValue?.();
    case "null":
      // As in SQLAlchemy: versions are counted from 1.
      if (table.version === column.key) return 1;
      if (!column.notNull) return null;
      if (table.hasTriggerKeys && table.primaryKey.includes(column)) {
        return UNKNOWN;
      }
      throw missingValueError(table, column.key);
    default:
      return UNKNOWN;
  }
}
