import type { Context } from "hono";

/**
 * How a request keeps work alive behind its response, where the runtime has an
 * execution context (Workers, or one given in a test).
 *
 * @param c The request's context.
 */
export function backgroundOf(
  c: Context,
): ((work: Promise<unknown>) => void) | undefined {
  try {
    const { executionCtx } = c;
    return (work) => executionCtx.waitUntil(work);
  } catch {
    // Hono's getter throws where there is none.
    return undefined;
  }
}
