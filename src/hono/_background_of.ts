import type { Context } from "hono";

/** Keeps work alive behind a response. */
export type Background = (work: Promise<unknown>) => void;

/**
 * How a request keeps work alive behind its response, where the runtime has an
 * execution context (Workers, or one given in a test).
 *
 * @param c The request's context.
 */
export function backgroundOf(
  c: Context,
): Background | undefined {
  try {
    const { executionCtx } = c;
    // Some hosts give something else in its place.
    if (typeof executionCtx.waitUntil !== "function") return undefined;
    return (work) => executionCtx.waitUntil(work);
  } catch {
    // Hono's getter throws where there is none.
    return undefined;
  }
}
