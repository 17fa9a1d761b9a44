import type { PgDatabase, PgSession } from "drizzle-orm/pg-core";
import { RelationalQueryBuilder } from "drizzle-orm/pg-core/query-builders/query";
import type { SessionShape } from "./session_shape.ts";

/** Any Drizzle database, whatever its schema. */
// deno-lint-ignore no-explicit-any -- Drizzle declares its own helpers so
type AnyDatabase = PgDatabase<any, any, any>;

/**
 * Gives a database its cache, its structure (`_`) and its `query`, built at first use:
 * Drizzle's constructor would make a builder per table for every session.
 *
 * A getter in a subclass would clash with the property of the base class, so
 * it is defined on the object.
 *
 * @param database The database, constructed without a schema.
 * @param shape Its structure.
 * @param runner Runs relational queries.
 */
export function defineStructure(
  database: AnyDatabase,
  { dialect, relational, cache }: SessionShape,
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
  Object.defineProperty(database, "_", {
    value: { fullSchema, schema, tableNamesMap, session: runner },
  });
  let built: Record<string, unknown> | undefined;
  Object.defineProperty(database, "query", {
    enumerable: true,
    get() {
      built ??= Object.fromEntries(
        Object.entries(schema).map(([key, config]) => [
          key,
          new RelationalQueryBuilder(
            fullSchema,
            schema,
            tableNamesMap,
            // The schema's entry for a key of the configuration is its table.
            fullSchema[key] as ConstructorParameters<
              typeof RelationalQueryBuilder
            >[3],
            config,
            dialect,
            runner,
          ),
        ]),
      );
      return built;
    },
  });
}
