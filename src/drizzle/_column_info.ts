import { is, isSQLWrapper, SQL } from "drizzle-orm";
import { PgColumn, type PgDialect } from "drizzle-orm/pg-core";
import { toWireParameter } from "../driver/parameter.ts";
import { Ref } from "../unit_of_work/ref.ts";
import type { SqlExpression } from "../unit_of_work/sql_expression.ts";
import {
  type ColumnInfo,
  quoteName,
  type ValueMaker,
} from "../unit_of_work/table_info.ts";
import { columnName } from "./_internals.ts";
import { sqlExpression } from "./sql_expression.ts";

/**
 * The types that `unnest` takes apart one value at a time, by Drizzle's name
 * of the column class. Others (arrays would be flattened, enums and types of
 * extensions have names that only their schema knows) go through the table's
 * row type.
 */
const LIST_TYPES: Readonly<Record<string, string>> = {
  PgBigInt53: "int8",
  PgBigInt64: "int8",
  PgBigSerial53: "int8",
  PgBigSerial64: "int8",
  PgBoolean: "bool",
  PgChar: "bpchar",
  PgCidr: "cidr",
  PgDate: "date",
  PgDateString: "date",
  PgDoublePrecision: "float8",
  PgInet: "inet",
  PgInteger: "int4",
  PgInterval: "interval",
  PgJson: "json",
  PgJsonb: "jsonb",
  PgMacaddr: "macaddr",
  PgMacaddr8: "macaddr8",
  PgNumeric: "numeric",
  PgNumericBigInt: "numeric",
  PgNumericNumber: "numeric",
  PgReal: "float4",
  PgSerial: "int4",
  PgSmallInt: "int2",
  PgSmallSerial: "int2",
  PgText: "text",
  PgUUID: "uuid",
  PgVarchar: "text",
};

/** Types whose values are rounded when they are stored. */
const ROUNDED_TYPES = /^Pg(Numeric|Timestamp|Time)/;

/**
 * Reads a column as data.
 *
 * @param key Its property.
 * @param column The column.
 * @param place Where it is: its number, whether it is of the primary key, and
 * what knows how keys become names.
 */
export function readColumn(
  key: string,
  column: PgColumn,
  { at, isKey, dialect }: {
    readonly at: number;
    readonly isKey: boolean;
    readonly dialect: PgDialect;
  },
): ColumnInfo {
  const { default: given } = column;
  // As Drizzle's insert: without any default the function for updates is
  // called for new rows, too.
  const makeValue = column.defaultFn ??
    (isKey && given !== undefined && !is(given, SQL)
      // A row is known by its key.
      ? () => given
      : column.default === undefined
      ? column.onUpdateFn
      : undefined);
  const name = columnName(dialect, column);
  return {
    key,
    at,
    name,
    sql: quoteName(name),
    listType: listTypeOf(column),
    exactType: ROUNDED_TYPES.test(column.columnType)
      ? column.getSQLType()
      : undefined,
    isJson: /^PgJsonb?$/.test(column.columnType),
    isUnorderedJson: column.columnType === "PgJsonb",
    // A primary key refuses NULL, whether it says so or not.
    notNull: column.notNull || column.primary,
    maker: makerOf(column, makeValue),
    defaultSql: is(given, SQL)
      ? dialect.sqlToQuery(given.inlineParams()).sql
      : undefined,
    isIdentityAlways: column.generatedIdentity?.type === "always",
    isUnordered: isUnordered(column),
    makeValue: expressed(makeValue, dialect),
    makeUpdate: expressed(column.onUpdateFn, dialect),
    express: isCustom(column)
      ? (value) => writtenAsSql(column, value, dialect)
      : undefined,
    isPlain: column.mapToDriverValue === PgColumn.prototype.mapToDriverValue,
    encode: encoderOf(column, key, dialect),
    decode: (value) =>
      value === null || value === undefined
        ? null
        : column.mapFromDriverValue(value),
  };
}

/** Whether it is a sequence that counts downwards, or begins anew. */
function isUnordered({ generatedIdentity }: PgColumn): boolean {
  const { increment = 1, cycle = false } = generatedIdentity?.sequenceOptions ??
    {};
  return cycle || Number(increment) <= 0;
}

/** A function of the schema may give SQL in place of a value. */
function expressed(
  make: (() => unknown) | undefined,
  dialect: PgDialect,
): (() => unknown) | undefined {
  return make && (() => {
    const value = make();
    return is(value, SQL) ? sqlExpression(value, dialect) : value;
  });
}

/** A custom type may be written by a function of the database. */
function writtenAsSql(
  column: PgColumn,
  value: unknown,
  dialect: PgDialect,
): SqlExpression | undefined {
  if (value === null || value === undefined) return undefined;
  const mapped = column.mapToDriverValue(value);
  return is(mapped, SQL) ? sqlExpression(mapped, dialect) : undefined;
}

function encoderOf(
  column: PgColumn,
  key: string,
  dialect: PgDialect,
): ColumnInfo["encode"] {
  return (value) => {
    if (value === null || value === undefined) return null;
    // It has no type of its own: `Object.assign()` takes it for any column.
    const isObject = typeof value === "object";
    if (isObject && (isSQLWrapper(value) || value instanceof Ref)) {
      throw new TypeError(
        `Cannot write column "${key}": it was set to SQL, or to a reference; give that to add(), or enqueue() an update of Drizzle's`,
      );
    }
    try {
      const mapped = column.mapToDriverValue(value);
      // What is written as SQL is only compared by this.
      if (is(mapped, SQL)) return sqlExpression(mapped, dialect).signature;
      return toWireParameter(mapped);
    } catch {
      // Its own message may repeat the value.
      throw new TypeError(
        `Cannot write column "${key}": its value is none of its type (${column.getSQLType()})`,
      );
    }
  };
}

function isCustom({ columnType }: PgColumn): boolean {
  return columnType === "PgCustomColumn";
}

function listTypeOf(column: PgColumn): string | undefined {
  // With or without time zone, and a precision that a cast would apply.
  const temporal = /^Pg(Timestamp|Time)(String)?$/.test(column.columnType);
  const sqlType = column.getSQLType();
  if (temporal) return sqlType.replace(/ *\(\d+\)/, "");
  // Whoever writes JSON himself writes text, which is not to be written again.
  return isCustom(column) && /^jsonb?$/i.test(sqlType)
    ? sqlType
    : LIST_TYPES[column.columnType];
}

function makerOf(
  column: PgColumn,
  makeValue: (() => unknown) | undefined,
): ValueMaker {
  if (column.generated !== undefined) return "generated";
  if (column.generatedIdentity !== undefined) return "sequence";
  if (/Serial/.test(column.columnType)) return "sequence";
  if (makeValue !== undefined) return "client";
  return column.default === undefined ? "null" : "default";
}
