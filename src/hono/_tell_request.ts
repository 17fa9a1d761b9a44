import type { Context } from "hono";
import type { Session } from "../drizzle/session.ts";
import { serverTiming } from "./_server_timing.ts";

/** A request whose handler has ended. */
interface EndedRequest {
  /** Its session. */
  readonly session: Pick<Session, "engine" | "holder" | "stats">;
  /** When that was opened, as `performance.now()` tells. */
  readonly openedAt: number;
}

/**
 * Tells what a request has cost: as an event, and to its client where that is
 * wanted.
 *
 * @param c Context of the request; it need not have an answer.
 * @param request The request.
 * @param isTimed Whether the client is told.
 */
export function tellRequest(
  c: Context,
  { session: { engine, holder, stats }, openedAt }: EndedRequest,
  isTimed: boolean,
): void {
  if (isTimed && c.finalized) serverTiming(c, stats);
  if (!engine.hears("request")) return;
  engine.emit({
    type: "request",
    session: holder,
    method: c.req.method,
    route: c.req.routePath,
    status: c.finalized ? c.res.status : undefined,
    duration: performance.now() - openedAt,
  });
}
