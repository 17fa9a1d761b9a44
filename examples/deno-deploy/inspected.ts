import type { Engine } from "@nullpool/db";
import { Hono } from "hono";

/** Where the inspector is. */
export const INSPECTOR_PATH = "/_nullpool";

/**
 * An app with the inspector in front of it, so that its pages have no database
 * session. It is for development, and loaded for it alone.
 */
export async function inspected(
  app: Hono,
  engine: Engine,
  signal: AbortSignal,
): Promise<Hono> {
  const { inspector } = await import("@nullpool/db/dev");
  return new Hono()
    .route(INSPECTOR_PATH, inspector(engine, { signal }))
    .all("*", (c) => app.fetch(c.req.raw, c.env));
}
