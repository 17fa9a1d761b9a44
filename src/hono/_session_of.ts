import type { Context } from "hono";
import { Session } from "../drizzle/session.ts";
import type { SessionOptions } from "../drizzle/session_options.ts";

/**
 * The session that a request has, if it has one: that of `key`, else the one
 * that is called `db`, else the last one. Work that would not find it would
 * speak for nobody, and begin before the request has committed.
 *
 * @param c Context of the request.
 * @param key The context variable that holds it, where somebody has said so.
 */
export function sessionOf(c: Context, key?: string): Session | undefined {
  const found: unknown = c.get(key ?? "db");
  if (isSession(found)) return found;
  return key === undefined ? sessionsOf(c).at(-1) : undefined;
}

/** All that a request has. */
function sessionsOf(c: Context): Session[] {
  const values: readonly unknown[] = Object.values(c.var);
  return values.filter(isSession);
}

/** Not so what stands for that of a scope, where none is running. */
function isSession(value: unknown): value is Session {
  try {
    return value instanceof Session && value.holder !== undefined;
  } catch {
    return false;
  }
}

/**
 * What a session has to know that is opened inside those of its request, which
 * wait for it: a pool that they have emptied would keep it waiting in vain.
 *
 * @param c Context of the request.
 */
export function insideOf(c: Context): SessionOptions {
  const all = sessionsOf(c).map(({ holder }) => holder);
  // The innermost one is inside of the others.
  const parent = all.findLast((holder) =>
    all.every((other) => other.parent !== holder)
  );
  return parent === undefined ? {} : { parent };
}
