import type { Context } from "hono";
import type { Session } from "../drizzle/session.ts";
import { checkFunction } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { backgroundOf } from "./_background_of.ts";
import { sessionOf } from "./_session_of.ts";
import {
  OpenRequest,
  REQUEST_OPTIONS,
  type RequestOptions,
} from "./_open_request.ts";
import { type SessionSource, sessionSource } from "./session_source.ts";

/** How {@linkcode background} runs work. */
export interface BackgroundOptions extends RequestOptions<string> {
  /**
   * Told what the work, or its commit, failed with.
   *
   * @default {listeners of the engine's event "backgroundError"; without any it
   * is an unhandled rejection, because a failure should be seen}
   */
  readonly onError?: (error: unknown) => void;
}

const BACKGROUND_OPTIONS: OptionNames<BackgroundOptions> = {
  ...REQUEST_OPTIONS,
  onError: true,
};

/**
 * Runs work behind the response, in a session of its own: it begins when the
 * request's session has ended, so that it sees what that has committed (where a
 * replica answers, with `readYourWrites`), commits at its end, and rolls back
 * when it throws. Where the runtime has a `waitUntil`, the runtime waits for it,
 * and `engine.idle()` does everywhere.
 *
 * To run it only if the request commits, call it from `afterCommit`. It returns
 * nothing: whoever waited for it there would wait for ever, because the request
 * ends behind its hooks.
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
 * const app = new Hono().use(dbSession(Session)).post("/orders", (c) => {
 *   background(c, Session, async (db) => {
 *     await db.execute("create table mails (body text)");
 *   });
 *   return c.text("ordered", 201);
 * });
 * const response = await app.request("/orders", { method: "POST" });
 * assertEquals(response.status, 201);
 * await engine.idle();
 * ```
 *
 * @typeParam Schema The schema of the sessions.
 * @param c Context of the request.
 * @param source A scoped session, a sessionmaker, or how to find an engine.
 * @param work Given the session.
 * @param options How its session runs.
 * @throws {TypeError} When the source is none of the three, or the work no
 * function.
 */
export function background<
  Schema extends Record<string, unknown> = Record<string, never>,
>(
  c: Context,
  source: SessionSource<Schema>,
  work: (db: Session<Schema>) => Promise<unknown>,
  options: BackgroundOptions = {},
): void {
  checkFunction(work, "use background()");
  checkOptionNames("background()", options, BACKGROUND_OPTIONS);
  const opened = sessionSource(source);
  // It outlives its client, unless somebody wants it otherwise.
  const request = sessionOf(c, options.key);
  const own = new OpenRequest(c, opened, {
    signal: () => undefined,
    ...options,
  }, request?.identity);
  const { session } = own;
  async function run(): Promise<void> {
    try {
      await request?.closed;
      await own.enter(() => session.begin(() => work(session)));
    } catch (error) {
      tell(c, session, error, options.onError);
    } finally {
      await session.close();
    }
  }
  const running = run().then(() => session.closed);
  backgroundOf(c)?.(running);
  session.engine.attend(running);
}

/**
 * Tells somebody what the work failed with; the runtime tells what nobody else
 * does, and what `onError` throws. Whoever waits for the work does not hear it:
 * the engine could never be disposed.
 */
function tell(
  c: Context,
  { engine }: Pick<Session, "engine">,
  error: unknown,
  onError: BackgroundOptions["onError"],
): void {
  if (onError === undefined && engine.hears("backgroundError")) {
    engine.emit({ type: "backgroundError", error });
    return;
  }
  const telling = onError === undefined
    ? Promise.reject(error)
    : told(onError, error);
  backgroundOf(c)?.(telling);
}

/** Rejects with what `onError` throws, or rejects with. */
async function told(
  onError: (error: unknown) => unknown,
  error: unknown,
): Promise<void> {
  await onError(error);
}
