import type { Statement } from "../driver/statement.ts";
import type { SessionCore } from "../session/session_core.ts";
import type { SessionShape } from "./session_shape.ts";

/** What a flush sends. */
interface Flush {
  /** Names of the tables that it writes. */
  readonly tables: readonly string[];
  /** Its statements. */
  readonly statements: readonly Statement[];
}

/** Whether a logger or a cache hears of flushes. */
export function hearsFlush({ logger, cache }: SessionShape): boolean {
  return logger !== undefined || cache !== undefined;
}

/**
 * Tells Drizzle's logger and cache of a flush, as they hear of a builder's
 * writes: the cache after the commit.
 *
 * @param shape Has them.
 * @param core The session.
 * @param flush What is sent.
 */
export function hearFlush(
  { logger, cache }: SessionShape,
  core: SessionCore,
  { tables, statements }: Flush,
): void {
  if (logger !== undefined) {
    for (const { text, params } of statements) {
      logger.logQuery(text, [...params]);
    }
  }
  if (cache === undefined) return;
  core.hooks.afterPossibleCommit(() => cache.onMutate({ tables: [...tables] }));
}
