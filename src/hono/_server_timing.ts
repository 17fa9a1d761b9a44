import type { Context } from "hono";
import type { SessionStats } from "../session/session_stats.ts";

/** What `timing()` of Hono collects, and sends when the handler has ended. */
interface Collected {
  /** Entries of the header. */
  readonly headers: string[];
}

/**
 * Adds what a session has cost to the answer's `Server-Timing` (W3C, "Server
 * Timing"), or to what Hono's `timing()` collects for it.
 *
 * @param c Context of a request that was answered.
 * @param stats Of its session; one that has sent nothing is left out.
 */
export function serverTiming(c: Context, stats: Readonly<SessionStats>): void {
  if (stats.roundTrips === 0) return;
  const entry = `db;dur=${stats.duration.toFixed(1)};desc="${summary(stats)}"`;
  const collected: unknown = c.get("metric");
  if (isCollected(collected)) collected.headers.push(entry);
  // The answer to an upgrade cannot be copied, and has nobody who reads it.
  else if (c.res.status >= 200) c.header("Server-Timing", entry, APPEND);
}

const APPEND = { append: true };

function isCollected(value: unknown): value is Collected {
  return typeof value === "object" && value !== null && "headers" in value &&
    Array.isArray(value.headers);
}

/** Such as `3 statements, 1 round trip, http`. */
function summary(
  { statements, roundTrips, requests }: Readonly<SessionStats>,
): string {
  const ways = [
    requests > 0 && "http",
    roundTrips > requests && "connection",
  ].filter((way) => way !== false);
  return [
    counted(statements, "statement"),
    counted(roundTrips, "round trip"),
    ...ways,
  ].join(", ");
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}
