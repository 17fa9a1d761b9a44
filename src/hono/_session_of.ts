import type { Context } from "hono";
import { Session } from "../drizzle/session.ts";
import type { SessionOptions } from "../drizzle/session_options.ts";

/**
 * The session that a request has, if it has one: that of `key`, else the one
 * that is called `db`, else any. Work that would not find it would speak for
 * nobody, and begin before the request has committed.
 *
 * @param c Context of the request.
 * @param key The context variable that holds it, where somebody has said so.
 */
export function sessionOf(c: Context, key?: string): Session | undefined {
  const found: unknown = c.get(key ?? "db");
  if (found instanceof Session) return found;
  if (key !== undefined) return undefined;
  const all: readonly unknown[] = Object.values(c.var);
  return all.filter((value) => value instanceof Session).at(-1);
}

/**
 * What a session has to know that is opened inside the one of its request,
 * which waits for it: a pool that the other one has emptied would keep it
 * waiting in vain.
 *
 * @param c Context of the request.
 */
export function insideOf(c: Context): SessionOptions {
  const parent = sessionOf(c)?.holder;
  return parent === undefined ? {} : { parent };
}
