import type { Context } from "hono";
import type { Session } from "../drizzle/session.ts";
import type { OptionNames } from "../errors/check_option_names.ts";
import { discardAnswer } from "./_discard_answer.ts";
import type { ReadYourWritesOptions } from "./bookmark_cookie.ts";
import type { OpenRequest, RequestOptions } from "./_open_request.ts";
import { serverTiming } from "./_server_timing.ts";
import { tellRequest } from "./_tell_request.ts";

/** When the session of a request commits, and who sees what it has written. */
export interface CommitOptions {
  /**
   * Whether to commit after the handler. It is not asked when the handler
   * threw, returned no response or called `setRollbackOnly()`: that always
   * rolls back. What has to stay although the request is refused, such as a
   * count of wrong passwords, needs `(c) => c.res.status < 500`.
   *
   * @default {(c) => c.res.status < 400, but for `Response.error()`}
   */
  readonly commitWhen?: (c: Context) => boolean;
  /**
   * Whether a user's next requests see what this one has written, although
   * replicas lag: a signed cookie says how far a replica has to be to answer
   * them. Without replicas it does nothing but that.
   *
   * @default {none: a replica may be behind}
   */
  readonly readYourWrites?: ReadYourWritesOptions;
  /**
   * Whether the answer says, in `Server-Timing`, what its session has cost: time,
   * statements, round trips. Hono's `timing()` sends it along where it is there.
   *
   * @default {in mode "development"}
   */
  readonly serverTiming?: boolean;
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

/** How a request is run. */
interface InRequestOptions<Key extends string>
  extends CommitOptions, Pick<RequestOptions<Key>, "key"> {
  /** Told why it failed, when all is undone and its session still there. */
  readonly onFailure?: (error: unknown) => void;
}

/** Their names. */
export const COMMIT_OPTIONS: OptionNames<CommitOptions> = {
  commitWhen: true,
  readYourWrites: true,
  serverTiming: true,
  onError: true,
};

/**
 * Runs a handler with the session of its request: commits behind it, or rolls
 * back, and closes.
 *
 * @param c Context of the request.
 * @param request The request and its session.
 * @param options When it commits.
 * @param handle Makes `c.res`.
 * @throws What the handler throws, or why the commit failed.
 */
export async function inRequest<
  Schema extends Record<string, unknown>,
  Key extends string,
>(
  c: Context,
  request: OpenRequest<Schema>,
  options: InRequestOptions<Key>,
  handle: () => Promise<void>,
): Promise<void> {
  const { session } = request;
  const { key = "db", commitWhen, onError, onFailure } = options;
  const isTimed = options.serverTiming ?? session.engine.mode === "development";
  const tellClient = isTimed ? serverTiming(c) : undefined;
  const outer = c.get(key);
  c.set(key, session);
  let reason: string | undefined = "the handler threw";
  let tellFailure = () => {};
  try {
    // Hono keeps an Error in `c.error`; any other thrown value rejects.
    await request.enter(handle);
    reason = "the handler did not answer";
    checkAnswered(c);
    reason = "commitWhen threw";
    reason = rollbackReason(c, session, commitWhen);
    if (reason === undefined) await commit(c, session, onError);
  } catch (error) {
    tellFailure = () => onFailure?.(error);
    throw error;
  } finally {
    tellRequest(c, request, tellClient);
    // Mounted twice: the outer one's session is the request's again.
    if (outer !== undefined) c.set(key, outer);
    const closing = session.rollback({ reason }).then(() => {
      tellFailure();
      return session.close();
    });
    if (request.background) request.background(closing);
    else await keepAnswer(c, closing);
  }
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

/**
 * Hono says the same, but when all that is committed: its client would be told
 * of a failure. Asking for `c.res` would make an answer.
 */
function checkAnswered(c: Context): void {
  if (c.finalized) return;
  throw new TypeError(
    `Cannot answer a ${c.req.method} request: its handler returned no Response; a middleware that makes one has to run inside of the session`,
  );
}

/** Why the request is rolled back, if it is. */
function rollbackReason(
  c: Context,
  session: Pick<Session, "isRollbackOnly">,
  commitWhen: CommitOptions["commitWhen"],
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
  // `Response.error()` has 0, and servers answer 500 in its place.
  const isFine = status > 0 && status < 400;
  return isFine ? undefined : `response status ${status}`;
}

async function commit(
  c: Context,
  session: Pick<Session, "commit" | "joining" | "state">,
  onError: CommitOptions["onError"],
): Promise<void> {
  if (session.state === "closed") return;
  try {
    session.joining.refuseCommit();
    await session.commit();
  } catch (error) {
    discardAnswer(c);
    if (onError === undefined) throw error;
    if (error instanceof Error) c.error = error;
    c.res = await onError(error, c);
  }
}
