import type { Context } from "hono";
import type { Session } from "../drizzle/session.ts";
import { checkArgument, checkFunction } from "../errors/check_argument.ts";
import { checkOptionNames } from "../errors/check_option_names.ts";
import { backgroundOf } from "./_background_of.ts";
import { dropBody } from "./_drop_body.ts";
import { sessionOf } from "./_session_of.ts";
import {
  OpenRequest,
  REQUEST_OPTIONS,
  type RequestOptions,
} from "./_open_request.ts";
import { type SessionSource, sessionSource } from "./session_source.ts";

/**
 * Answers with a stream that reads from a session of its own: the session stays
 * open until the body has been sent, was cancelled or has failed, and is closed
 * then. What it has written is rolled back, unless it was committed.
 *
 * The session of `dbSession` cannot do that: a middleware ends before the first
 * byte of a streamed body is sent.
 *
 * @example A report, row by row
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { streamSession } from "@nullpool/db/hono";
 * import { pglite } from "@nullpool/db/pglite";
 * import { sql } from "drizzle-orm";
 * import { Hono } from "hono";
 * import { streamText } from "hono/streaming";
 * import { assertEquals } from "@std/assert";
 *
 * await using engine = createEngine(pglite());
 * const Session = sessionmaker(engine);
 * const app = new Hono().get("/numbers", (c) =>
 *   streamSession(c, Session, (db) =>
 *     streamText(c, async (body) => {
 *       const rows = sql<{ n: number }>`select n from generate_series(1, 3) n`;
 *       for await (const { n } of db.stream(rows)) await body.writeln(`${n}`);
 *     })));
 * const response = await app.request("/numbers");
 * assertEquals(await response.text(), "1\n2\n3\n");
 * await engine.idle();
 * ```
 *
 * @typeParam Schema The schema of the sessions.
 * @param c Context of the request.
 * @param source A scoped session, a sessionmaker, or how to find an engine.
 * @param answer Makes the response; its body may read from the session.
 * @param options How the session runs.
 * @returns The response.
 * @throws What `answer` throws.
 * @throws {TypeError} When the source is none of the three, or there is no
 * response.
 */
export async function streamSession<
  Schema extends Record<string, unknown> = Record<string, never>,
>(
  c: Context,
  source: SessionSource<Schema>,
  answer: (db: Session<Schema>) => Response | Promise<Response>,
  options: RequestOptions<string> = {},
): Promise<Response> {
  checkFunction(answer, "use streamSession()");
  checkOptionNames("streamSession()", options, REQUEST_OPTIONS);
  const opened = sessionSource(source);
  const { identity } = sessionOf(c, options.key) ?? {};
  const unread = new AbortController();
  const request = new OpenRequest(c, opened, options, {
    ...identity,
    signal: unread.signal,
  });
  const { session } = request;
  // Of a reader that has gone nobody waits for what still runs: it hears that,
  // and not of a connection that was lost.
  function leave(): Promise<void> {
    unread.abort();
    return session.invalidate();
  }
  let response: Response;
  try {
    response = await request.enter(() => answer(session));
    checkArgument(
      // Not by its class: Node's server has one of its own.
      "body" in Object(response),
      "answer in streamSession()",
      "the function to return a Response",
    );
  } catch (error) {
    await session.close();
    throw error;
  }
  const made = response.body;
  // Hono sends no body to HEAD.
  if (made === null || c.req.method === "HEAD") {
    dropBody(response);
    await leave();
    return new Response(null, response);
  }
  const { body, sent } = followed(made);
  const closing = sent.then((isWhole) => isWhole ? session.close() : leave());
  backgroundOf(c)?.(closing.then(() => session.closed));
  const answered = new Response(body, response);
  if (c.finalized) dropUnlessTaken(c, answered);
  return answered;
}

/**
 * Hono drops an answer that comes behind another, such as the 504 of
 * `timeout()`: nobody would ever read it. One that a middleware, or `onError`,
 * puts in place of the other is that of the request by the next turn.
 */
function dropUnlessTaken(c: Context, answer: Response): void {
  setTimeout(() => {
    if (c.res.body !== answer.body) dropBody(answer);
  });
}

/** The same body, and whether all of it was sent, when nobody wants any more. */
function followed(
  source: ReadableStream<Uint8Array>,
): { body: ReadableStream<Uint8Array>; sent: Promise<boolean> } {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const sent = source.pipeTo(writable).then(() => true, () => false);
  return { body: readable, sent };
}
