import { is, type TableRelationalConfig } from "drizzle-orm";
import { type PgDialect, type PgSession, PgTable } from "drizzle-orm/pg-core";
import { RelationalQueryBuilder } from "drizzle-orm/pg-core/query-builders/query";
import type { RelationalConfig } from "./relational_config.ts";

/** Makes the `query` of a database that runs its statements there. */
export type RelationalQueries = (runner: PgSession) => object;

/** What a builder needs to know of its table. */
interface QueriedTable {
  readonly table: PgTable;
  readonly config: TableRelationalConfig;
}

/**
 * Prepares `db.query`, whose builders are made when they are asked for: Drizzle
 * makes one per table for every database.
 *
 * @param relational Tables and relations.
 * @param dialect Compiles SQL.
 */
export function relationalQueries(
  relational: RelationalConfig,
  dialect: PgDialect,
): RelationalQueries {
  const { fullSchema, schema, tableNamesMap } = relational;
  const tables: Readonly<Record<string, QueriedTable>> = Object.fromEntries(
    Object.entries(schema).flatMap(([key, config]) => {
      const table = fullSchema[key];
      return is(table, PgTable) ? [[key, { table, config }]] : [];
    }),
  );
  return (runner) =>
    new Proxy(tables, {
      get(tables, key) {
        const isTable = typeof key === "string" && Object.hasOwn(tables, key);
        const queried = isTable ? tables[key] : undefined;
        if (queried === undefined) return Reflect.get(tables, key);
        return new RelationalQueryBuilder(
          fullSchema,
          schema,
          tableNamesMap,
          queried.table,
          queried.config,
          dialect,
          runner,
        );
      },
    });
}
