import type { Context } from "hono";
import { Session } from "../drizzle/session.ts";

/**
 * The session that a request has, if it has one.
 *
 * @param c Context of the request.
 * @param key The context variable that holds it.
 */
export function sessionOf(c: Context, key = "db"): Session | undefined {
  const found: unknown = c.get(key);
  return found instanceof Session ? found : undefined;
}
