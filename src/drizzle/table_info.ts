import { getTableColumns, getTableName, is, SQL } from "drizzle-orm";
import {
  getTableConfig,
  IndexedColumn,
  PgColumn,
  type PgDialect,
  PgTable,
} from "drizzle-orm/pg-core";
import { toWireParameter } from "../driver/parameter.ts";
import { PlainShape } from "../unit_of_work/entity_shape.ts";
import { selectAll, selectByKey } from "../unit_of_work/select_statement.ts";
import {
  type ColumnInfo,
  quoteName,
  type TableInfo,
  type TableMapping,
  type UniqueKeyInfo,
  type ValueMaker,
} from "../unit_of_work/table_info.ts";
import { columnName } from "./_internals.ts";
import type { SqlExpression } from "../unit_of_work/sql_expression.ts";
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

/** How a table is treated of which nothing else was said. */
const DEFAULT_MAPPING: TableMapping = {
  version: undefined,
  readBack: "all",
  hasTriggerKeys: false,
  deferrable: new Set(),
};

/** Reads a Drizzle table as data; the second time it is the same. */
export type TableInfoReader = (table: PgTable) => TableInfo;

/**
 * Reads Drizzle tables as data, each once.
 *
 * @param dialect Knows how keys become names.
 * @param mappings How the unit of work treats them.
 * @returns It throws a `TypeError` for what is no table.
 */
export function tableInfoReader(
  dialect: PgDialect,
  mappings: ReadonlyMap<PgTable, TableMapping> = new Map(),
): TableInfoReader {
  const known = new WeakMap<PgTable, TableInfo>();
  function read(table: PgTable): TableInfo {
    const present = known.get(table);
    if (present !== undefined) return present;
    if (!is(table, PgTable)) {
      throw new TypeError(
        "Cannot use the unit of work: expected a table made by pgTable()",
      );
    }
    refuseOtherRelease(table);
    const mapping = mappings.get(table) ?? DEFAULT_MAPPING;
    const info = completed({ ...readTable(table, dialect, read), ...mapping });
    known.set(table, info);
    return info;
  }
  return read;
}

/**
 * Drizzle 1.0 marks its tables as 0.45 does, but compiles SQL otherwise: some
 * queries work, and others fail deep inside. Only its columns have a codec.
 */
function refuseOtherRelease(table: PgTable): void {
  const [column = {}] = Object.values(getTableColumns(table));
  if (!("codec" in column)) return;
  throw new TypeError(
    `Cannot use table "${
      getTableName(table)
    }": another release of drizzle-orm has made it; import drizzle-orm 0.45`,
  );
}

/** What follows from the rest. */
type Derived =
  | "selectAll"
  | "selectByKey"
  | "shape"
  | "givenColumns"
  | "madeColumns"
  | "writesSql";

function completed(given: Omit<TableInfo, Derived>): TableInfo {
  const info = {
    ...given,
    // What does not count upwards tells nothing of the order of rows.
    hasTriggerKeys: given.hasTriggerKeys ||
      given.primaryKey.some(({ isUnordered }) => isUnordered),
  };
  const isMade = (column: ColumnInfo) =>
    (column.maker !== "null" && column.maker !== "client") ||
    (info.hasTriggerKeys && info.primaryKey.includes(column));
  return {
    ...info,
    selectAll: selectAll(info),
    selectByKey: selectByKey(info),
    shape: new PlainShape(info),
    givenColumns: info.columns.filter((column) => !isMade(column)),
    madeColumns: info.columns.filter(isMade),
    writesSql: info.columns.some(({ express }) => express !== undefined),
  };
}

function readTable(
  table: PgTable,
  dialect: PgDialect,
  read: TableInfoReader,
): Omit<TableInfo, keyof TableMapping | Derived> {
  const config = getTableConfig(table);
  const entries = Object.entries<PgColumn>(getTableColumns(table));
  const compositeKey = config.primaryKeys[0]?.columns.map((column) =>
    keyIn(table, column)
  );
  const columns = entries.map(([key, column], at) => {
    const isKey = compositeKey?.includes(key) ?? column.primary;
    return readColumn(key, column, { at, isKey, dialect });
  });
  const names = [config.schema, config.name].filter((name) =>
    name !== undefined
  );
  return {
    name: names.join("."),
    sql: names.map(quoteName).join("."),
    columns,
    expressionOf: (value) =>
      is(value, SQL) ? sqlExpression(value, dialect) : undefined,
    byKey: new Map(columns.map((column) => [column.key, column])),
    primaryKey: columns.filter(({ key, at }) =>
      compositeKey?.includes(key) ?? entries[at]?.[1].primary
    ),
    uniqueKeys: readUniqueKeys(table),
    foreignKeys: config.foreignKeys.map((foreignKey) => {
      const { columns: own, foreignColumns, foreignTable } = foreignKey
        .reference();
      return {
        name: foreignKey.getName(),
        keys: own.map((column) => keyIn(table, column)),
        target: () => read(foreignTable),
        targetKeys: foreignColumns.map((column) => keyIn(foreignTable, column)),
        cascadesUpdates: foreignKey.onUpdate === "cascade",
      };
    }),
  };
}

function readUniqueKeys(table: PgTable): UniqueKeyInfo[] {
  const config = getTableConfig(table);
  const found: UniqueKeyInfo[] = [];
  for (const column of config.columns) {
    if (!column.isUnique) continue;
    const name = column.uniqueName ?? column.name;
    const nullsNotDistinct = column.uniqueType === "not distinct";
    found.push({ name, keys: [keyIn(table, column)], nullsNotDistinct });
  }
  for (const constraint of config.uniqueConstraints) {
    const { nullsNotDistinct } = constraint;
    const keys = constraint.columns.map((column) => keyIn(table, column));
    const name = constraint.getName() ?? config.name;
    found.push({ name, keys, nullsNotDistinct });
  }
  for (const { config: index } of config.indexes) {
    const columns = index.columns.filter((column) => is(column, IndexedColumn));
    // An expression is no list of columns.
    const isPlain = columns.length === index.columns.length;
    if (!index.unique || index.where !== undefined || !isPlain) continue;
    const keys = columns.map(({ name = "" }) => keyNamed(table, name));
    const name = index.name ?? `${config.name}_index`;
    // Drizzle's indexes cannot say otherwise.
    found.push({ name, keys, nullsNotDistinct: false });
  }
  return found;
}

/**
 * The property of a column.
 *
 * @param table Its table.
 * @param column The column, or a copy of it.
 */
export function keyIn(table: PgTable, column: PgColumn): string {
  const entries = Object.entries<PgColumn>(getTableColumns(table));
  return entries.find(([, own]) => own === column)?.[0] ??
    keyNamed(table, column.name);
}

/** Indexes hold copies of columns, which are known by their names. */
function keyNamed(table: PgTable, name: string): string {
  const entries = Object.entries<PgColumn>(getTableColumns(table));
  return entries.find(([, own]) => own.name === name)?.[0] ?? name;
}

function readColumn(
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
