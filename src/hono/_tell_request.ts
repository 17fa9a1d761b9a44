import type { Context } from "hono";
import type { Session } from "../drizzle/session.ts";
import type { SessionStats } from "../session/session_stats.ts";

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
 * @param tellClient Tells its client, where that is wanted.
 */
export function tellRequest(
  c: Context,
  { session: { engine, holder, stats }, openedAt }: EndedRequest,
  tellClient?: (stats: Readonly<SessionStats>) => void,
): void {
  if (c.finalized) tellClient?.(stats);
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
