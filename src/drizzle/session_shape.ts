import {
  createTableRelationsHelpers,
  DefaultLogger,
  extractTablesRelationalConfig,
  type Logger,
  type TablesRelationalConfig,
} from "drizzle-orm";
import type { Cache } from "drizzle-orm/cache/core";
import { PgDialect } from "drizzle-orm/pg-core";
import type { MappedTable } from "./map_table.ts";
import { TableCatalog } from "./table_catalog.ts";

/** Drizzle's relational configuration, derived from a schema. */
export interface RelationalConfig {
  /** The schema's tables and relations. */
  readonly fullSchema: Record<string, unknown>;
  /** Per table: columns, keys, relations. */
  readonly schema: TablesRelationalConfig;
  /** Key in the schema by table name. */
  readonly tableNamesMap: Record<string, string>;
}

/**
 * What all sessions of a sessionmaker have in common. It is derived once:
 * for 50 tables it costs more than the rest of a session by far.
 */
export interface SessionShape {
  /** Compiles SQL. */
  readonly dialect: PgDialect;
  /** For `db.query`; none without a schema. */
  readonly relational: RelationalConfig | undefined;
  /** What the unit of work knows of tables. */
  readonly tables: TableCatalog;
  /** Hears every statement. */
  readonly logger: Logger | undefined;
  /** Answers selects, and hears of writes. */
  readonly cache: Cache | undefined;
  /** Which of the databases it is whose answers are in there, if several are. */
  readonly cacheScope: string | undefined;
}

/** How column keys become names in the database. */
export type Casing = "snake_case" | "camelCase";

/** What a shape is made from. */
export interface ShapeOptions {
  /** Tables and relations, for `db.query`. */
  readonly schema?: Record<string, unknown> | undefined;
  /** How column keys become names. */
  readonly casing?: Casing | undefined;
  /** How the unit of work treats some tables. */
  readonly tables?: readonly MappedTable[] | undefined;
  /** Hears every statement; `true` prints them. */
  readonly logger?: boolean | Logger | undefined;
  /** Answers selects, and hears of writes. */
  readonly cache?: Cache | undefined;
  /** Which database it is, where the cache has answers of several. */
  readonly cacheScope?: string | undefined;
}

/**
 * Derives what all sessions have in common.
 *
 * @param options What it is made from.
 * @param pureFunctions Functions of the user's that do nothing but compute.
 */
export function sessionShape(
  options: ShapeOptions,
  pureFunctions: ReadonlySet<string>,
): SessionShape {
  const dialect = new PgDialect(
    options.casing === undefined ? {} : { casing: options.casing },
  );
  const { schema = {}, tables = [] } = options;
  return {
    dialect,
    tables: new TableCatalog(dialect, schema, tables, pureFunctions),
    relational: options.schema && relationalConfig(options.schema),
    logger: options.logger === true
      ? new DefaultLogger()
      : options.logger || undefined,
    cache: options.cache,
    cacheScope: options.cacheScope,
  };
}

function relationalConfig(schema: Record<string, unknown>): RelationalConfig {
  const { tables, tableNamesMap } = extractTablesRelationalConfig(
    schema,
    createTableRelationsHelpers,
  );
  return { fullSchema: schema, schema: tables, tableNamesMap };
}
