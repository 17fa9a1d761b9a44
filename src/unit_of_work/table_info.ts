import type { WireParameter } from "../driver/parameter.ts";

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
  /** Its property in entities. */
  readonly key: string;
  /** Its name in the database. */
  readonly name: string;
  /**
   * The type that a list of values is cast to, without length and precision:
   * a cast would cut what an assignment refuses. None for what only the
   * table's row type knows: arrays, enums, types of an extension.
   */
  readonly listType: string | undefined;
  /** Whether NULL is refused. */
  readonly notNull: boolean;
  /** Who makes its value. */
  readonly maker: ValueMaker;
  /** The expression of a `default`, as SQL without parameters. */
  readonly defaultSql: string | undefined;
  /** Whether only `overriding system value` lets a client set it. */
  readonly isIdentityAlways: boolean;
  /**
   * Makes the value of a new row, where `maker` is `client`.
   *
   * @returns A value of the entity.
   */
  readonly makeValue: (() => unknown) | undefined;
  /**
   * Makes the value at each update that does not set it.
   *
   * @returns A value of the entity.
   */
  readonly makeUpdate: (() => unknown) | undefined;
  /**
   * Encodes a value of an entity.
   *
   * @param value The value.
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
}

/** A table as data: all that a unit of work needs to know of it. */
export interface TableInfo {
  /** Its name, as messages have it. */
  readonly name: string;
  /** Its name in SQL, quoted, with its schema. */
  readonly sql: string;
  /** Its columns, in the order of the schema. */
  readonly columns: readonly ColumnInfo[];
  /** Properties of the primary key; none where the table has none. */
  readonly primaryKey: readonly string[];
  /** Properties of each unique constraint and index without condition. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** Its foreign keys. */
  readonly foreignKeys: readonly ForeignKeyInfo[];
}

/**
 * Quotes a name for SQL.
 *
 * @param name Any name.
 */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
