import { getTableColumns, getTableName, is, SQL } from "drizzle-orm";
import {
  getTableConfig,
  IndexedColumn,
  type PgColumn,
  type PgDialect,
  PgTable,
} from "drizzle-orm/pg-core";
import { checkArgument } from "../errors/check_argument.ts";
import { PlainShape } from "../unit_of_work/entity_shape.ts";
import { selectAll, selectByKey } from "../unit_of_work/select_statement.ts";
import { StatementTexts } from "../unit_of_work/statement_texts.ts";
import {
  type ColumnInfo,
  quoteName,
  type TableInfo,
  type TableMapping,
  type UniqueKeyInfo,
} from "../unit_of_work/table_info.ts";
import { readColumn } from "./_column_info.ts";
import { sqlExpression } from "./sql_expression.ts";

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
    checkArgument(
      is(table, PgTable),
      "use the unit of work",
      "a table made by pgTable()",
    );
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
  | "texts"
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
    texts: new StatementTexts(),
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
