import { getTableColumns, getTableUniqueName, is, SQL } from "drizzle-orm";
import {
  getTableConfig,
  IndexedColumn,
  type PgColumn,
  type PgDialect,
  type PgTable,
} from "drizzle-orm/pg-core";
import { toWireParameter } from "../driver/parameter.ts";
import {
  type ColumnInfo,
  quoteName,
  type TableInfo,
  type ValueMaker,
} from "../unit_of_work/table_info.ts";
import { columnName } from "./_internals.ts";

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
  PgChar: "text",
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

/**
 * Reads Drizzle tables as data, each once.
 *
 * @param dialect Knows how keys become names.
 */
export function tableInfoReader(
  dialect: PgDialect,
): (table: PgTable) => TableInfo {
  const known = new WeakMap<PgTable, TableInfo>();
  function read(table: PgTable): TableInfo {
    const present = known.get(table);
    if (present !== undefined) return present;
    const info = readTable(table, dialect, read);
    known.set(table, info);
    return info;
  }
  return read;
}

function readTable(
  table: PgTable,
  dialect: PgDialect,
  read: (table: PgTable) => TableInfo,
): TableInfo {
  const config = getTableConfig(table);
  const columns = Object.entries<PgColumn>(getTableColumns(table));
  const keyOf = (column: { readonly name: string }) =>
    columns.find(([, own]) => own.name === column.name)?.[0] ?? column.name;
  const compositeKey = config.primaryKeys[0]?.columns;
  const names = [config.schema, config.name].filter((name) =>
    name !== undefined
  );
  return {
    name: getTableUniqueName(table).replace(/^undefined\./, ""),
    sql: names.map(quoteName).join("."),
    columns: columns.map(([key, column]) => readColumn(key, column, dialect)),
    primaryKey: compositeKey?.map(keyOf) ??
      columns.filter(([, { primary }]) => primary).map(([key]) => key),
    uniqueKeys: [
      ...columns.filter(([, { isUnique }]) => isUnique).map(([key]) => [key]),
      ...config.uniqueConstraints.map((unique) => unique.columns.map(keyOf)),
      ...config.indexes.flatMap(({ config: index }) => {
        const isPlain = index.unique && index.where === undefined;
        const keys = index.columns.filter((column) =>
          is(column, IndexedColumn)
        );
        // An expression is no list of columns.
        return isPlain && keys.length === index.columns.length
          ? [keys.map((column) => keyOf({ name: column.name ?? "" }))]
          : [];
      }),
    ],
    foreignKeys: config.foreignKeys.map((foreignKey) => {
      const { columns: own, foreignColumns, foreignTable } = foreignKey
        .reference();
      const target = () => read(foreignTable);
      return {
        name: foreignKey.getName(),
        keys: own.map(keyOf),
        target,
        targetKeys: foreignColumns.map((column) => keyIn(foreignTable, column)),
      };
    }),
  };
}

function keyIn(table: PgTable, column: PgColumn): string {
  const entries = Object.entries<PgColumn>(getTableColumns(table));
  return entries.find(([, own]) => own === column)?.[0] ?? column.name;
}

function readColumn(
  key: string,
  column: PgColumn,
  dialect: PgDialect,
): ColumnInfo {
  const { default: given } = column;
  return {
    key,
    name: columnName(dialect, column),
    listType: listTypeOf(column),
    // A primary key refuses NULL, whether it says so or not.
    notNull: column.notNull || column.primary,
    maker: makerOf(column),
    defaultSql: is(given, SQL)
      ? dialect.sqlToQuery(given.inlineParams()).sql
      : undefined,
    isIdentityAlways: column.generatedIdentity?.type === "always",
    makeValue: column.defaultFn,
    makeUpdate: column.onUpdateFn,
    encode: (value) =>
      value === null || value === undefined
        ? null
        : toWireParameter(column.mapToDriverValue(value)),
    decode: (value) => value === null ? null : column.mapFromDriverValue(value),
  };
}

function listTypeOf(column: PgColumn): string | undefined {
  // With or without time zone, and a precision that a cast would apply.
  const temporal = /^Pg(Timestamp|Time)(String)?$/.test(column.columnType);
  return temporal
    ? column.getSQLType().replace(/ *\(\d+\)/, "")
    : LIST_TYPES[column.columnType];
}

function makerOf(column: PgColumn): ValueMaker {
  if (column.generated !== undefined) return "generated";
  if (column.generatedIdentity !== undefined) return "sequence";
  if (/Serial/.test(column.columnType)) return "sequence";
  if (column.defaultFn !== undefined) return "client";
  return column.default === undefined ? "null" : "default";
}
