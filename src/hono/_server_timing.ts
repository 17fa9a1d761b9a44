import type { Context } from "hono";
import type { SessionStats } from "../session/session_stats.ts";
import { isCopyable } from "./_is_copyable.ts";

/** What `timing()` of Hono collects, and sends when the handler has ended. */
interface Collected {
  /** Entries of the header. */
  readonly headers: string[];
}

/**
 * Prepares to add what a session has cost to the answer's `Server-Timing` (W3C,
 * "Server Timing"), or to what Hono's `timing()` collects for it. One that comes
 * behind has sent its header by then, and collects in vain.
 *
 * @param c Context of a request that was not handled yet.
 * @returns Adds the costs of a session; one that has sent nothing is left out.
 */
export function serverTiming(
  c: Context,
): (stats: Readonly<SessionStats>) => void {
  const collected: unknown = c.get("metric");
  return (stats) => {
    if (stats.roundTrips === 0) return;
    const time = stats.duration.toFixed(1);
    const entry = `db;dur=${time};desc="${summary(stats)}"`;
    if (isCollected(collected)) collected.headers.push(entry);
    else if (isCopyable(c.res)) c.header("Server-Timing", entry, APPEND);
  };
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
