import type { PgDatabase, PgSession } from "drizzle-orm/pg-core";
import type { SessionShape } from "./session_shape.ts";

/** Any Drizzle database, whatever its schema. */
// deno-lint-ignore no-explicit-any -- Drizzle declares its own helpers so
type AnyDatabase = PgDatabase<any, any, any>;

/**
 * Gives a database its cache, its structure (`_`) and its `query`: Drizzle's
 * constructor would make a query builder per table for every session.
 *
 * Properties stay what they are, values: an accessor in the place of one makes
 * the object a dictionary for V8, and all that a session does slower.
 *
 * @param database The database, constructed without a schema.
 * @param shape Its structure.
 * @param runner Runs relational queries.
 */
export function defineStructure(
  database: AnyDatabase,
  { relational, queries, cache }: SessionShape,
  runner: PgSession,
): void {
  if (cache !== undefined) {
    // As Drizzle's drivers do: the cache itself, with one method more.
    database.$cache = Object.assign(cache, {
      invalidate: cache.onMutate,
    });
  }
  if (relational === undefined || queries === undefined) return;
  const { fullSchema, schema, tableNamesMap } = relational;
  Object.assign(database, {
    _: { fullSchema, schema, tableNamesMap, session: runner },
    query: queries(runner),
  });
}
