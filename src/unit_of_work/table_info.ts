import type { WireParameter } from "../driver/parameter.ts";
import type { SqlExpression } from "./sql_expression.ts";
import type { StatementTexts } from "./statement_texts.ts";

/**
 * Who gives a column its value where an INSERT leaves it out.
 *
 * `null`: nobody, it is NULL. `client`: a function of the schema, before the
 * statement is sent. `sequence`: the database, in ascending order (serial and
 * identity columns). `default`: the database, by an expression. `generated`:
 * always the database; it is never written.
 */
export type ValueMaker =
  | "null"
  | "client"
  | "sequence"
  | "default"
  | "generated";

/** A column as data. */
export interface ColumnInfo {
  /** Its place in the table's `columns`. */
  readonly at: number;
  /** Its property in entities. */
  readonly key: string;
  /** Its name in the database. */
  readonly name: string;
  /** Its name in SQL, quoted. */
  readonly sql: string;
  /**
   * The type that a list of values is cast to, without length and precision:
   * a cast would cut what an assignment refuses. None for what only the
   * table's row type knows: arrays, enums, types of an extension.
   */
  readonly listType: string | undefined;
  /** Its type with precision and scale, where values are rounded to them. */
  readonly exactType: string | undefined;
  /** Whether it holds JSON that is made of its values as they are. */
  readonly isJson: boolean;
  /** Whether the order of keys in its JSON means nothing. */
  readonly isUnorderedJson: boolean;
  /** Whether NULL is refused. */
  readonly notNull: boolean;
  /** Who makes its value. */
  readonly maker: ValueMaker;
  /** The expression of a `default`, as SQL without parameters. */
  readonly defaultSql: string | undefined;
  /** Whether only `overriding system value` lets a client set it. */
  readonly isIdentityAlways: boolean;
  /**
   * Writes a value as SQL, where the type asks for that.
   *
   * @param value A value of an entity.
   * @returns Nothing where it is written as a parameter.
   */
  readonly express: ((value: unknown) => SqlExpression | undefined) | undefined;
  /** Whether it is made by a sequence that does not just count upwards. */
  readonly isUnordered: boolean;
  /**
   * Makes the value of a new row, where `maker` is `client`.
   *
   * @returns A value of the entity, or an expression.
   */
  readonly makeValue: (() => unknown) | undefined;
  /**
   * Makes the value at each update that does not set it.
   *
   * @returns A value of the entity, or an expression.
   */
  readonly makeUpdate: (() => unknown) | undefined;
  /** Whether a primitive value is written as it is, whatever it is. */
  readonly isPlain: boolean;
  /**
   * Encodes a value of an entity.
   *
   * @param value The value.
   * @throws {TypeError} When it is none of the column's type.
   */
  readonly encode: (value: unknown) => WireParameter;
  /**
   * Decodes what a row carries.
   *
   * @param value As the driver has parsed it.
   */
  readonly decode: (value: unknown) => unknown;
}

/** A foreign key as data. */
export interface ForeignKeyInfo {
  /** Its name. */
  readonly name: string;
  /** Properties of the referring table. */
  readonly keys: readonly string[];
  /** The table referred to; a function, because tables may refer in circles. */
  readonly target: () => TableInfo;
  /** Properties of that table, in the order of `keys`. */
  readonly targetKeys: readonly string[];
  /** Whether its values follow those they refer to: `ON UPDATE CASCADE`. */
  readonly cascadesUpdates: boolean;
}

/** A unique constraint, or a unique index without condition. */
export interface UniqueKeyInfo {
  /** Its name. */
  readonly name: string;
  /** Properties of its columns. */
  readonly keys: readonly string[];
  /** Whether one row only may have NULL: PostgreSQL, `NULLS NOT DISTINCT`. */
  readonly nullsNotDistinct: boolean;
}

/** How the unit of work treats a table. */
export interface TableMapping {
  /**
   * What tells whether a row is as it was loaded: the property of a number
   * column that counts its changes, or PostgreSQL's own `xmin`.
   */
  readonly version: string | undefined;
  /** Which columns come back from a write. */
  readonly readBack: "all" | "generated" | "none";
  /** Whether a trigger makes the primary key: rows are inserted one by one. */
  readonly hasTriggerKeys: boolean;
  /** Names of constraints that are checked at the commit. */
  readonly deferrable: ReadonlySet<string>;
}

/** The entities of a table: plain objects. */
export interface EntityShape {
  /** Makes one without properties. */
  make(): Record<string, unknown>;
  /**
   * Gives a property an accessor: reading it throws, assigning gives the column
   * a value.
   *
   * @param entity An entity of the table.
   * @param column What the database has yet to make.
   */
  hide(entity: object, column: ColumnInfo): void;
}

/** A table as data: all that a unit of work needs to know of it. */
export interface TableInfo extends TableMapping {
  /** Its name, as messages have it. */
  readonly name: string;
  /** Its name in SQL, quoted, with its schema. */
  readonly sql: string;
  /** The SQL that reads all columns of rows, and their version. */
  readonly selectAll: string;
  /** The same, of a row by its key. */
  readonly selectByKey: string;
  /** The SQL that writes a row. */
  readonly texts: StatementTexts;
  /** Makes its entities. */
  readonly shape: EntityShape;
  /** Its columns, in the order of the schema. */
  readonly columns: readonly ColumnInfo[];
  /** Those that an insert gives, if nothing else is said. */
  readonly givenColumns: readonly ColumnInfo[];
  /** Whether a type of its columns is written as SQL, or may be. */
  readonly writesSql: boolean;
  /** Those that the database makes, if nothing else is said. */
  readonly madeColumns: readonly ColumnInfo[];
  /** A value that is given as SQL; nothing where it is none. */
  readonly expressionOf: (value: object) => SqlExpression | undefined;
  /** Its columns by property. */
  readonly byKey: ReadonlyMap<string, ColumnInfo>;
  /** The columns of the primary key; none where the table has none. */
  readonly primaryKey: readonly ColumnInfo[];
  /** What else is unique. */
  readonly uniqueKeys: readonly UniqueKeyInfo[];
  /** Its foreign keys. */
  readonly foreignKeys: readonly ForeignKeyInfo[];
}

/** The version of a table that is PostgreSQL's own. */
export const XMIN = "xmin";

/**
 * A column of a table.
 *
 * @param table The table.
 * @param key Its property.
 * @throws {TypeError} When there is none.
 */
export function columnOf(table: TableInfo, key: string): ColumnInfo {
  const column = table.byKey.get(key);
  if (column !== undefined) return column;
  throw new TypeError(`Table "${table.name}" has no column "${key}"`);
}

/**
 * Names the key columns of a table, as messages do.
 *
 * @param table The table.
 */
export function keyNames({ primaryKey }: TableInfo): string {
  return primaryKey.map(({ key }) => `"${key}"`).join(", ");
}

/**
 * Names a table with its key columns, as messages do.
 *
 * @param table The table.
 */
export function tableAndKey(table: TableInfo): string {
  return `"${table.name}" (key ${keyNames(table)})`;
}

/**
 * Which columns come back from a write.
 *
 * @param table The table.
 * @param unknown Those whose values only the database knows.
 */
export function columnsToRead(
  table: TableInfo,
  unknown: readonly ColumnInfo[] = [],
): readonly ColumnInfo[] {
  switch (table.readBack) {
    case "none":
      return [];
    case "generated":
      return table.columns.filter((column) =>
        table.madeColumns.includes(column) ||
        table.primaryKey.includes(column) || unknown.includes(column) ||
        column.makeUpdate !== undefined || column.key === table.version
      );
    default:
      return table.columns;
  }
}

/**
 * Quotes a name for SQL.
 *
 * @param name Any name.
 */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
