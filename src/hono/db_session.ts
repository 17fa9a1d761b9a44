import type { Context, MiddlewareHandler } from "hono";
import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { Session } from "../drizzle/session.ts";
import type { SessionOptions } from "../drizzle/session_options.ts";
import { type Background, backgroundOf } from "./_background_of.ts";
import { clientGone } from "./_client_gone.ts";
import { discardAnswer } from "./_discard_answer.ts";
import { type SessionSource, sessionSource } from "./session_source.ts";

/**
 * How {@linkcode dbSession} treats a request.
 *
 * @typeParam Key The name of the context variable.
 */
export interface DbSessionOptions<Key extends string = "db"> {
  /**
   * The context variable that holds the session.
   *
   * @default {"db"}
   */
  readonly key?: Key;
  /**
   * How the request's transactions run.
   *
   * @default {the sessionmaker's}
   */
  readonly transaction?: TransactionOptions;
  /**
   * Whether the request is known to need a transaction that stays open, because
   * it writes before its commit, or locks: a connection is opened at once then,
   * and no read goes ahead of it.
   *
   * @default {() => false}
   */
  readonly interactive?: (c: Context) => boolean;
  /**
   * Who asks, as a JSON Web Token, where the endpoint takes one (Neon over HTTP
   * with row-level security): of this request's session alone.
   *
   * @default {none}
   */
  readonly authToken?: (c: Context) => string | undefined;
  /**
   * What ends the request's work early: its transaction is rolled back when the
   * signal fires, and what runs is cancelled on the server. Nothing turns it
   * off. On Deno, whose signal also fires after each answer (and says so once
   * on the console when it is listened to), it is off unless it is asked for.
   *
   * @default {(c) => c.req.raw.signal}
   */
  readonly signal?: (c: Context) => AbortSignal | undefined;
  /**
   * Whether to commit after the handler. It is not asked when the handler
   * threw or called `setRollbackOnly()`: that always rolls back.
   *
   * @default {(c) => c.res.status < 400}
   */
  readonly commitWhen?: (c: Context) => boolean;
  /**
   * Makes the response when the commit failed.
   *
   * @default {the app's `onError`}
   */
  readonly onError?: (
    error: unknown,
    c: Context,
  ) => Response | Promise<Response>;
}

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
 * It rolls back when the handler threw (also something that is no `Error`),
 * when the status is 400 or above, on `setRollbackOnly()`, or as `commitWhen`
 * says. What the handler committed itself stays. A failed commit replaces the
 * response. Where the runtime has an execution context, closing goes on behind
 * the response.
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
  const { open, enter } = sessionSource(source);
  const { key } = options;
  return async function dbSession(c, next) {
    const request: { background?: Background | undefined } = {};
    const session = open(c, {
      ...sessionOptions(c, options),
      whenUsed() {
        // A client that disconnects would end a Worker's handler at its next
        // await, and no `finally` would run.
        request.background = backgroundOf(c);
        request.background?.(session.closed);
      },
    });
    // Without the option, `Key` is "db".
    const variable = key ?? "db" as Key;
    const outer = c.get(variable);
    c.set(variable, session);
    let reason: string | undefined = "the handler threw";
    try {
      // Hono keeps an Error in `c.error`; any other thrown value rejects.
      await enter(session, next);
      reason = "commitWhen threw";
      reason = rollbackReason(c, session, options.commitWhen);
      if (reason === undefined) await commit(c, session, options.onError);
    } finally {
      // Mounted twice: the outer one's session is the request's again.
      if (outer !== undefined) c.set(variable, outer);
      const closing = session.rollback({ reason }).then(() => session.close());
      if (request.background) request.background(closing);
      else await keepAnswer(c, closing);
    }
  };
}

function sessionOptions(
  c: Context,
  options: DbSessionOptions<string>,
): SessionOptions {
  const { transaction, interactive, authToken, signal = clientGone } = options;
  const name = `a ${c.req.method} request`;
  const isInteractive = interactive?.(c) ?? false;
  return {
    atomic: true,
    name,
    authToken: authToken?.(c),
    signal: signal(c),
    ...(isInteractive
      ? { transaction: { ...transaction, interactive: isInteractive } }
      : transaction && { transaction }),
  };
}

/**
 * Waits without losing the answer: a handler that runs on behind `timeout()`
 * may meet the closed session now, and Hono would put its error in place of
 * the 504.
 */
async function keepAnswer(c: Context, work: Promise<void>): Promise<void> {
  const answer = c.finalized ? c.res : undefined;
  await work;
  if (answer === undefined || c.res === answer) return;
  // Hono would merge the headers of the one into the other.
  c.res = undefined;
  c.res = answer;
}

/** Why the request is rolled back, if it is. */
function rollbackReason(
  c: Context,
  session: Pick<Session, "isRollbackOnly">,
  commitWhen: DbSessionOptions["commitWhen"],
): string | undefined {
  if (c.error !== undefined) return "the handler threw";
  if (session.isRollbackOnly) return "setRollbackOnly() was called";
  if (commitWhen) {
    try {
      return commitWhen(c) ? undefined : "commitWhen said no";
    } catch (error) {
      discardAnswer(c);
      throw error;
    }
  }
  const { status } = c.res;
  return status < 400 ? undefined : `response status ${status}`;
}

async function commit(
  c: Context,
  session: Pick<Session, "commit" | "state">,
  onError: DbSessionOptions["onError"],
): Promise<void> {
  if (session.state === "closed") return;
  try {
    await session.commit();
  } catch (error) {
    discardAnswer(c);
    if (onError === undefined) throw error;
    if (error instanceof Error) c.error = error;
    c.res = await onError(error, c);
  }
}
