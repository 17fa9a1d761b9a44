import type { TablesRelationalConfig } from "drizzle-orm";
import type { PgDatabase, PgSession } from "drizzle-orm/pg-core";
import { RelationalQueryBuilder } from "drizzle-orm/pg-core/query-builders/query";
import { dialectOf } from "./_internals.ts";
import type { SessionShape } from "./session_shape.ts";

/** Any Drizzle database, whatever its schema. */
// deno-lint-ignore no-explicit-any -- Drizzle declares its own helpers so
type AnyDatabase = PgDatabase<any, any, any>;

/**
 * Gives a database its cache, its structure (`_`) and its `query`, as Drizzle's
 * constructor would, which derives the structure anew for every database.
 *
 * A value takes the place of a value: an accessor there would make the object a
 * dictionary for V8, and all that a session does slower.
 *
 * @param database The database, constructed without a schema.
 * @param shape Its structure.
 * @param runner Runs relational queries.
 */
export function defineStructure(
  database: AnyDatabase,
  { relational, cache }: SessionShape,
  runner: PgSession,
): void {
  if (cache !== undefined) {
    // As Drizzle's drivers do: the cache itself, with one method more.
    database.$cache = Object.assign(cache, {
      invalidate: cache.onMutate,
    });
  }
  if (relational === undefined) return;
  const { fullSchema, schema, tableNamesMap } = relational;
  Object.assign(database, {
    _: { fullSchema, schema, tableNamesMap, session: runner },
  });
  Object.assign(database, { query: relationalQueries(database) });
}

/** A loop, and no list of pairs: it runs for every session. */
function relationalQueries(database: AnyDatabase): Record<string, unknown> {
  const { fullSchema, tableNamesMap, session } = database._;
  const schema: TablesRelationalConfig = database._.schema;
  const dialect = dialectOf(database);
  const queries: Record<string, unknown> = {};
  for (const key of Object.keys(schema)) {
    const config = schema[key];
    if (config === undefined) continue;
    queries[key] = new RelationalQueryBuilder(
      fullSchema,
      schema,
      tableNamesMap,
      fullSchema[key],
      config,
      dialect,
      session,
    );
  }
  return queries;
}
