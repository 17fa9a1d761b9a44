import { is } from "drizzle-orm";
import { type PgDialect, type PgSession, PgTable } from "drizzle-orm/pg-core";
import { RelationalQueryBuilder } from "drizzle-orm/pg-core/query-builders/query";
import type { RelationalConfig } from "./relational_config.ts";

/** Makes the `query` of a database that runs its statements there. */
export type RelationalQueries = new (runner: PgSession) => object;

/**
 * Makes the class of `db.query`, whose builders are made when they are asked
 * for: Drizzle makes one per table for every database.
 *
 * @param config Tables and relations.
 * @param dialect Compiles SQL.
 */
export function relationalQueries(
  { fullSchema, schema, tableNamesMap }: RelationalConfig,
  dialect: PgDialect,
): RelationalQueries {
  class Queries {
    readonly #runner: PgSession;

    constructor(runner: PgSession) {
      this.#runner = runner;
    }

    static {
      for (const [key, config] of Object.entries(schema)) {
        const table = fullSchema[key];
        if (!is(table, PgTable)) continue;
        Object.defineProperty(this.prototype, key, {
          enumerable: true,
          get(this: Queries) {
            return new RelationalQueryBuilder(
              fullSchema,
              schema,
              tableNamesMap,
              table,
              config,
              dialect,
              this.#runner,
            );
          },
        });
      }
    }
  }
  return Queries;
}
