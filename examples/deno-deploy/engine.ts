import { createEngine, type Engine, type EngineOptions } from "@nullpool/db";
import { neon } from "@nullpool/db/neon";
import { pglite } from "@nullpool/db/pglite";
import { postgres } from "@nullpool/db/postgres";

/** The engine of this process: PGlite unless `DATABASE_URL` names a server. */
export function openEngine(options: EngineOptions = {}): Engine {
  const url = Deno.env.get("DATABASE_URL");
  if (!url) {
    const directory = Deno.env.get("ORDER_DESK_DATA") || ".data/order-desk";
    return createEngine(pglite(directory), options);
  }
  return createEngine(speaksNeon(url) ? neon(url) : postgres(url), options);
}

/** Neon's own hosts, or a local endpoint (`deno task neon`) that is named so. */
function speaksNeon(url: string): boolean {
  if (Deno.env.get("DATABASE_DRIVER") === "neon") return true;
  return URL.canParse(url) && new URL(url).hostname.endsWith(".neon.tech");
}
