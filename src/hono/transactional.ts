import type { Context, Handler, Input, Next } from "hono";
import type { BlankInput, HandlerResponse } from "hono/types";
import { runAgain } from "../drizzle/run_again.ts";
import { checkFunction } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { checkRetry, type RetryOptions } from "../session/retry_policy.ts";
import { clientGone } from "./_client_gone.ts";
import { BookmarkCookie } from "./bookmark_cookie.ts";
import { freshAnswer } from "./_fresh_answer.ts";
import { COMMIT_OPTIONS, inRequest } from "./_in_request.ts";
import { OpenRequest, REQUEST_OPTIONS } from "./_open_request.ts";
import { insideOf } from "./_session_of.ts";
import type { DbSessionOptions, SessionVariables } from "./db_session.ts";
import { type SessionSource, sessionSource } from "./session_source.ts";

/**
 * How {@linkcode transactional} runs a handler.
 *
 * @typeParam Key The name of the context variable.
 */
export interface TransactionalOptions<Key extends string = "db">
  extends Omit<DbSessionOptions<Key>, "onError"> {
  /**
   * How the handler is run again when it lost against another transaction.
   *
   * @default {{ times: 3, maxDelay: 1_000 }}
   */
  readonly retry?: RetryOptions;
}

const { onError: _, ...KEPT_OPTIONS } = COMMIT_OPTIONS;

const TRANSACTIONAL_OPTIONS: OptionNames<TransactionalOptions> = {
  ...KEPT_OPTIONS,
  ...REQUEST_OPTIONS,
  retry: true,
};

/**
 * Wraps a handler: it runs in a session of its own, as behind `dbSession`, and
 * runs again, with a fresh session and a fresh response, when it lost against
 * another transaction (SQLSTATE 40001 and 40P01, `StaleDataError`), or when the
 * connection was lost before a write was sent, or was known to be before
 * anything was sent behind the writes. A middleware cannot do that: Hono refuses
 * a second `next()`.
 *
 * A handler that may run twice reads the body through `c.req`, which keeps it,
 * and does elsewhere what must not happen twice (`afterCommit`).
 *
 * @example A counter under contention
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { transactional } from "@nullpool/db/hono";
 * import { pglite } from "@nullpool/db/pglite";
 * import { Hono } from "hono";
 * import { assertEquals } from "@std/assert";
 *
 * await using engine = createEngine(pglite(), {
 *   transaction: { isolationLevel: "serializable" },
 * });
 * const Session = sessionmaker(engine);
 * await Session.begin((db) => db.execute("create table hits as select 0 as n"));
 * const app = new Hono().post(
 *   "/hits",
 *   transactional(Session, async (c) => {
 *     await c.var.db.execute("update hits set n = n + 1");
 *     return c.text("counted");
 *   }, { retry: { times: 5 } }),
 * );
 * const response = await app.request("/hits", { method: "POST" });
 * assertEquals(await response.text(), "counted");
 * ```
 *
 * @typeParam Schema The schema of the sessions.
 * @typeParam Key The name of the context variable.
 * @typeParam E The app's environment, where the handler says it.
 * @typeParam Path The route's path, where the handler says it.
 * @typeParam In What validators have found, where the handler says it.
 * @typeParam Out What the handler returns, for a client of `hono/client`.
 * @param source A scoped session, a sessionmaker, or how to find an engine per
 * request.
 * @param handler What to run; the session is `c.var.db`. One that needs more of
 * its app than that says so: `(c: Context<AppEnv>) => ..`, and behind a validator
 * `(c: Context<AppEnv, string, { in: .., out: { json: Order } }>)`: TypeScript
 * infers what one has found for a handler of the route alone.
 * @param options How it runs.
 * @returns The handler, for a route.
 * @throws {TypeError} When the source is none of the three, or there is no
 * handler.
 * @throws {RangeError} When `retry` has a value that is none of its own.
 */
export function transactional<
  Schema extends Record<string, unknown> = Record<string, never>,
  Key extends string = "db",
  E extends { Variables: SessionVariables<Schema, Key> } = {
    Variables: SessionVariables<Schema, Key>;
  },
  Path extends string = string,
  In extends Input = BlankInput,
  Out extends HandlerResponse<unknown> = HandlerResponse<unknown>,
>(
  source: SessionSource<Schema>,
  handler: Handler<E, Path, In, Out>,
  options: TransactionalOptions<Key> = {},
): Handler<E, Path, In, Out> {
  checkFunction(handler, "use transactional()");
  checkOptionNames("transactional()", options, TRANSACTIONAL_OPTIONS);
  const { retry = {}, signal = clientGone, readYourWrites } = options;
  const cookie = readYourWrites && new BookmarkCookie(readYourWrites);
  checkRetry(retry);
  const opened = sessionSource(source);
  async function transactional(c: Context<E, Path, In>, next: Next) {
    const startAnew = freshAnswer(c);
    const streams = noteStreams(c);
    const inside = insideOf(c);
    const shared = cookie && await cookie.open(c);
    let runs = 0;
    try {
      await runAgain({
        open() {
          if (runs++ > 0) startAnew();
          return new OpenRequest(c, opened, options, {
            ...inside,
            ...shared,
          });
        },
        async run(request, onFailure) {
          await inRequest(c, request, { ...options, onFailure }, async () => {
            const response = await handler(c, next);
            // What Hono calls a typed response is one, with types besides.
            if (response !== undefined) c.res = response as Response;
          });
        },
        refusal: () => refusal(c, streams),
      }, { retry, signal: signal(c) });
    } finally {
      await cookie?.write(c);
    }
    return c.res;
  }
  // It returns what the handler has returned.
  return transactional as unknown as Handler<E, Path, In, Out>;
}

/** Why a handler cannot run again, if it cannot. */
function refusal(
  { req }: Context,
  streams: { readonly hasBegun: boolean },
): string | undefined {
  if (req.raw.bodyUsed && Object.keys(req.bodyCache).length === 0) {
    return "its handler has read the body through c.req.raw, which gives it once; use c.req.json() or another method of c.req";
  }
  return streams.hasBegun
    ? "its handler has begun to answer with a stream; use streamSession()"
    : undefined;
}

/** Notes whether a handler begins to stream: Hono's helpers do at once. */
function noteStreams(c: Context): { readonly hasBegun: boolean } {
  const noted = { hasBegun: false };
  function noting<F extends (...args: never[]) => unknown>(make: F): F {
    return new Proxy(make, {
      apply(target, self, args: unknown[]) {
        noted.hasBegun ||= args[0] instanceof ReadableStream;
        return Reflect.apply(target, self, args);
      },
    });
  }
  c.newResponse = noting(c.newResponse);
  c.body = noting(c.body);
  return noted;
}
