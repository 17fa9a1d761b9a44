import type { TablesRelationalConfig } from "drizzle-orm";
import type { PgDatabase, PgSession } from "drizzle-orm/pg-core";
import { RelationalQueryBuilder } from "drizzle-orm/pg-core/query-builders/query";
import { dialectOf } from "./_internals.ts";
import type { SessionShape } from "./session_shape.ts";

/** Any Drizzle database, whatever its schema. */
// deno-lint-ignore no-explicit-any -- Drizzle declares its own helpers so
type AnyDatabase = PgDatabase<any, any, any>;

/**
 * Gives a database its cache, its structure (`_`) and its `query`, built at first use:
 * Drizzle's constructor would make a builder per table for every session.
 *
 * A getter in a subclass would clash with the property of the base class, so
 * it is defined on the object. It is one function for all: an accessor of its
 * own would give every session a hidden class of its own.
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
  Object.defineProperty(database, "query", QUERY);
}

const QUERY: PropertyDescriptor & ThisType<AnyDatabase> = {
  enumerable: true,
  configurable: true,
  get() {
    const built = relationalQueries(this);
    Object.defineProperty(this, "query", { value: built, enumerable: true });
    return built;
  },
};

function relationalQueries(database: AnyDatabase): Record<string, unknown> {
  const { fullSchema, tableNamesMap, session } = database._;
  const schema: TablesRelationalConfig = database._.schema;
  const dialect = dialectOf(database);
  return Object.fromEntries(
    Object.entries(schema).map(([key, config]) => [
      key,
      new RelationalQueryBuilder(
        fullSchema,
        schema,
        tableNamesMap,
        fullSchema[key],
        config,
        dialect,
        session,
      ),
    ]),
  );
}
