import type { SessionOptions } from "../drizzle/session_options.ts";
import type { RequestOptions } from "./_open_request.ts";

/**
 * For whom work on behalf of a request speaks: for whom the request's session
 * does, unless its own options say so.
 *
 * @param session What the request has as its session, if anything.
 * @param options Of the work.
 */
export function identityOf(
  session: unknown,
  { claims, role, authToken }: RequestOptions<"db">,
): SessionOptions {
  const isNamed = claims ?? role ?? authToken;
  const isSession = typeof session === "object" && session !== null &&
    "identity" in session;
  if (isNamed !== undefined || !isSession) return {};
  // What `dbSession` has put there.
  return session.identity as SessionOptions;
}
