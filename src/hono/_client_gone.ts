import type { Context } from "hono";

/**
 * Fires when the client of a request has gone, where the runtime tells so:
 * Deno's signal fires after every answer as well, and listening to it makes
 * Deno print a notice.
 *
 * @param c Context of the request.
 */
export function clientGone(c: Context): AbortSignal | undefined {
  return "Deno" in globalThis ? undefined : c.req.raw.signal;
}
