import type { PoolHolder } from "../driver/pool_holder.ts";

/** A Drizzle database that issues statements through one handle. */
export interface HandleDatabase {
  /** Drizzle's structure; its session is the runner. */
  readonly _: { readonly session: unknown };
}

/** How a scoped session follows the nested blocks of its sessions. */
export interface SessionContext {
  /**
   * Runs a nested block.
   *
   * @param database What the block was given; the current one meanwhile.
   * @param block What to run.
   */
  enter<T>(database: HandleDatabase, block: () => Promise<T>): Promise<T>;

  /**
   * Refuses to let the session work for another task than its own; asked
   * before each call that does work.
   *
   * @throws {ScopeError} When it would.
   */
  readonly guard?: (() => void) | undefined;

  /**
   * The factory that makes sessions in place of the registry's own, where there
   * is one: of a tenant, or of a test.
   */
  replacement?(): object | undefined;

  /** The current session as a pool sees it; none where nobody is current. */
  holder(): PoolHolder | undefined;

  /**
   * Finds the database of whoever asks.
   *
   * @throws {ScopeError} When there is no current session.
   */
  current(): HandleDatabase;
}
