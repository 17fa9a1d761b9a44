import type { MiddlewareHandler } from "hono";
import type { Session } from "../drizzle/session.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { BookmarkCookie } from "./bookmark_cookie.ts";
import {
  COMMIT_OPTIONS,
  type CommitOptions,
  inRequest,
} from "./_in_request.ts";
import {
  OpenRequest,
  REQUEST_OPTIONS,
  type RequestOptions,
} from "./_open_request.ts";
import { insideOf } from "./_session_of.ts";
import { type SessionSource, sessionSource } from "./session_source.ts";

/**
 * How {@linkcode dbSession} treats a request.
 *
 * @typeParam Key The name of the context variable.
 */
export interface DbSessionOptions<Key extends string = "db">
  extends CommitOptions, RequestOptions<Key> {}

const DB_SESSION_OPTIONS: OptionNames<DbSessionOptions> = {
  ...COMMIT_OPTIONS,
  ...REQUEST_OPTIONS,
};

/**
 * The variables that {@linkcode dbSession} sets, for `new Hono<{ Variables }>`.
 *
 * @typeParam Schema The schema of the sessions.
 * @typeParam Key The name of the variable.
 */
export type SessionVariables<
  Schema extends Record<string, unknown> = Record<string, never>,
  Key extends string = "db",
> = Record<Key, Session<Schema>>;

/**
 * A middleware that gives each request a database session of its own: it
 * commits after the handler and before the response leaves, or rolls back, and
 * always closes.
 *
 * It rolls back when the handler threw (also something that is no `Error`) or
 * returned no response, when the status is 400 or above, on
 * `setRollbackOnly()`, or as `commitWhen` says. What the handler committed
 * itself stays. A failed commit replaces the response. Where the runtime has an
 * execution context, closing goes on behind the response. A middleware that
 * makes the response of what a handler has left to it runs inside of this one.
 *
 * @example A session per request
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { dbSession } from "@nullpool/db/hono";
 * import { pglite } from "@nullpool/db/pglite";
 * import { Hono } from "hono";
 * import { assertEquals } from "@std/assert";
 *
 * await using engine = createEngine(pglite());
 * const app = new Hono()
 *   .use(dbSession(sessionmaker(engine)))
 *   .get("/", async (c) => {
 *     const { rows } = await c.var.db.execute("select 1 as one");
 *     return c.json(rows);
 *   });
 * const response = await app.request("/");
 * assertEquals(await response.json(), [{ one: 1 }]);
 * ```
 *
 * @typeParam Schema The schema of the sessions.
 * @typeParam Key The name of the context variable.
 * @param source A scoped session, a sessionmaker, or how to find an engine per
 * request.
 * @param options How requests are treated.
 * @returns The middleware.
 * @throws {TypeError} When the source is none of the three.
 */
export function dbSession<
  Schema extends Record<string, unknown> = Record<string, never>,
  Key extends string = "db",
>(
  source: SessionSource<Schema>,
  options: DbSessionOptions<Key> = {},
): MiddlewareHandler<{ Variables: SessionVariables<Schema, Key> }> {
  checkOptionNames("dbSession()", options, DB_SESSION_OPTIONS);
  const opened = sessionSource(source);
  const { readYourWrites } = options;
  const cookie = readYourWrites && new BookmarkCookie(readYourWrites);
  return async function dbSession(c, next) {
    const inside = insideOf(c);
    const shared = cookie && await cookie.open(c);
    try {
      const request = new OpenRequest(c, opened, options, {
        ...inside,
        ...shared,
      });
      await inRequest(c, request, options, next);
    } finally {
      await cookie?.write(c);
    }
  };
}
