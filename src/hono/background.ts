import type { Context } from "hono";
import type { Session } from "../drizzle/session.ts";
import { backgroundOf } from "./_background_of.ts";
import { identityOf } from "./_identity_of.ts";
import { OpenRequest, type RequestOptions } from "./_open_request.ts";
import { type SessionSource, sessionSource } from "./session_source.ts";

/** How {@linkcode background} runs work. */
export interface BackgroundOptions extends RequestOptions<"db"> {
  /**
   * Told what the work, or its commit, failed with; the promise resolves then.
   *
   * @default {listeners of the engine's event "backgroundError", if there are any}
   */
  readonly onError?: (error: unknown) => void;
}

/**
 * Runs work behind the response, in a session of its own: it begins when the
 * request's session has ended, so that it sees what that has committed, commits
 * at its end, and rolls back when it throws. Where the runtime has a
 * `waitUntil`, the runtime waits for it.
 *
 * To run it only if the request commits, call it from `afterCommit`.
 *
 * @example A mail that nobody waits for
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { background, dbSession } from "@nullpool/db/hono";
 * import { pglite } from "@nullpool/db/pglite";
 * import { Hono } from "hono";
 * import { assertEquals } from "@std/assert";
 *
 * await using engine = createEngine(pglite());
 * const Session = sessionmaker(engine);
 * let done: Promise<void> | undefined;
 * const app = new Hono().use(dbSession(Session)).post("/orders", (c) => {
 *   done = background(c, Session, async (db) => {
 *     await db.execute("create table mails (body text)");
 *   });
 *   return c.text("ordered", 201);
 * });
 * const response = await app.request("/orders", { method: "POST" });
 * assertEquals(response.status, 201);
 * await done;
 * ```
 *
 * @typeParam Schema The schema of the sessions.
 * @param c Context of the request.
 * @param source A scoped session, a sessionmaker, or how to find an engine.
 * @param work Given the session.
 * @param options How its session runs.
 * @returns Settles when the work has ended; nobody has to wait for it. It
 * rejects with what the work failed with, unless somebody is told of that: a
 * failure that nobody handles should be seen.
 * @throws {TypeError} When the source is none of the three.
 */
export function background<
  Schema extends Record<string, unknown> = Record<string, never>,
>(
  c: Context,
  source: SessionSource<Schema>,
  work: (db: Session<Schema>) => Promise<unknown>,
  options: BackgroundOptions = {},
): Promise<void> {
  const opened = sessionSource(source);
  // It outlives its client, unless somebody wants it otherwise.
  const request = c.get(options.key ?? "db");
  const own = new OpenRequest(c, opened, {
    signal: () => undefined,
    ...options,
  }, identityOf(request, options));
  const { session } = own;
  async function run(): Promise<void> {
    try {
      await endOf(request);
      await own.enter(() => session.begin(() => work(session)));
    } catch (error) {
      if (!isTold(session, error, options.onError)) throw error;
    } finally {
      await session.close();
    }
  }
  const running = run();
  backgroundOf(c)?.(running);
  backgroundOf(c)?.(session.closed);
  return running;
}

/** Of the session that the request has, if it has one. */
async function endOf(session: unknown): Promise<void> {
  const isSession = typeof session === "object" && session !== null &&
    "closed" in session;
  if (isSession) await session.closed;
}

/** Whether somebody has heard what the work failed with. */
function isTold(
  { engine }: Pick<Session, "engine">,
  error: unknown,
  onError: BackgroundOptions["onError"],
): boolean {
  if (onError !== undefined) onError(error);
  else if (engine.hears("backgroundError")) {
    engine.emit({ type: "backgroundError", error });
  } else return false;
  return true;
}
