import { type Cache, hashQuery } from "drizzle-orm/cache/core";
import type { WithCacheConfig } from "drizzle-orm/cache/core/types";
import type { Result, Statement } from "../driver/statement.ts";
import { ConnectionError } from "../errors/connection_error.ts";
import type { SessionCore } from "../session/session_core.ts";
import type { QueryMetadata } from "./statement_access.ts";

/** A query that may be answered by the cache, or makes answers stale. */
export interface CachedQuery {
  /** Whose database it is asked of, where a cache has answers of several. */
  readonly scope: string | undefined;
  /** What to run. */
  readonly statement: Statement;
  /** Its parameters, as Drizzle has them. */
  readonly params: readonly unknown[];
  /** What Drizzle tells about it. */
  readonly metadata: QueryMetadata | undefined;
  /** What `$withCache` said. */
  readonly config: WithCacheConfig | undefined;
}

/**
 * Runs a query with Drizzle's cache around it.
 *
 * What Drizzle's own drivers do at once happens after the commit here: a row
 * that is rolled back must not outlive its transaction in a cache, and nothing
 * may be called stale before others can see why. A transaction that has
 * written, or that keeps a snapshot, is not answered from the cache.
 *
 * What is kept is asked of the primary: a replica's old answer would be kept
 * until somebody writes again.
 *
 * @param cache The user's cache.
 * @param core The session.
 * @param query The query.
 * @param execute Asks the database.
 */
export async function throughCache(
  cache: Cache,
  core: SessionCore,
  query: CachedQuery,
  execute: (statement: Statement) => Promise<Result>,
): Promise<Result> {
  const { metadata, scope, statement } = query;
  const run = () => execute(statement);
  if (metadata?.type !== "select") {
    return await besideCache(cache, core, metadata, run);
  }
  const { tables } = metadata;
  const config = effectiveConfig(cache, query.config);
  // What one user may see is nobody else's.
  const isOwn = core.isPersonal || !core.readsCommitted;
  if (config === undefined || isOwn) return await run();
  const isTag = config.tag !== undefined;
  // A tag is a key that its user knows: it cannot say which database is meant.
  if (isTag && scope !== undefined) return await run();
  const text = scope === undefined
    ? statement.text
    : `${JSON.stringify(scope)} ${statement.text}`;
  const key = config.tag ?? await hashQuery(text, [...query.params]);
  const { autoInvalidate } = config;
  const found: unknown = await cache.get(key, tables, isTag, autoInvalidate);
  if (isResult(found)) return found;
  // Something may have been written meanwhile.
  if (!core.readsCommitted) return await run();
  const answer: { result?: Result } = {};
  core.hooks.afterCommit(() =>
    answer.result && cache.put(
      key,
      answer.result,
      autoInvalidate ? tables : [],
      isTag,
      config.config,
    )
  );
  answer.result = await execute({ ...statement, mayLag: false });
  return answer.result;
}

/**
 * Runs a query that no cache answers: one that writes, or that has its place
 * among the changes, where it cannot wait for what a cache says.
 *
 * @param cache Told of what is stale now.
 * @param core The session.
 * @param metadata What Drizzle tells about the query.
 * @param run Asks the database.
 * @returns Its result.
 * @throws What `run` throws at once.
 */
export function besideCache(
  cache: Cache,
  core: SessionCore,
  metadata: QueryMetadata | undefined,
  run: () => Promise<Result>,
): Promise<Result> {
  const isRead = metadata === undefined || metadata.type === "select";
  const tables = isRead ? [] : metadata.tables;
  if (tables.length === 0) return run();
  if (core.isAutocommit) return thenDropped(cache, tables, run());
  // Ahead of the answer: beside a failure nothing can be registered.
  core.hooks.afterPossibleCommit(() => cache.onMutate({ tables }));
  return run();
}

/** What an autocommit has written is stale once it is answered. */
async function thenDropped(
  cache: Cache,
  tables: string[],
  answer: Promise<Result>,
): Promise<Result> {
  const result = await answer.catch(async (error: unknown) => {
    if (maybeExecuted(error)) await dropQuietly(cache, tables);
    throw error;
  });
  await cache.onMutate({ tables });
  return result;
}

function maybeExecuted(error: unknown): boolean {
  return error instanceof ConnectionError && error.maybeExecuted;
}

/** Beside a failure, which is what the caller is told. */
async function dropQuietly(
  cache: Cache,
  tables: readonly string[],
): Promise<void> {
  try {
    await cache.onMutate({ tables: [...tables] });
  } catch {
    // The first error wins.
  }
}

/** As Drizzle has it: a cache of strategy `all` needs no word of the query. */
function effectiveConfig(
  cache: Cache,
  config: WithCacheConfig | undefined,
): WithCacheConfig | undefined {
  if (config === undefined && cache.strategy() === "all") {
    return { enable: true, autoInvalidate: true };
  }
  return config?.enable ? config : undefined;
}

/** What another process stored may be anything. */
function isResult(found: unknown): found is Result {
  return typeof found === "object" && found !== null && "rows" in found &&
    Array.isArray(found.rows);
}
