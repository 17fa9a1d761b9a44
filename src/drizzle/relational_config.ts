import {
  createTableRelationsHelpers,
  extractTablesRelationalConfig,
  type TablesRelationalConfig,
} from "drizzle-orm";

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
 * Derives it.
 *
 * @param schema Tables and relations.
 */
export function relationalConfig(
  schema: Record<string, unknown>,
): RelationalConfig {
  const { tables, tableNamesMap } = extractTablesRelationalConfig(
    schema,
    createTableRelationsHelpers,
  );
  return { fullSchema: schema, schema: tables, tableNamesMap };
}
