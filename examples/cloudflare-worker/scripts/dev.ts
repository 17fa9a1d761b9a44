import { createEngine, migrate } from "@nullpool/db";
import { serveNeon } from "@nullpool/db/dev";
import { neon } from "@nullpool/db/neon";
import { existsSync } from "node:fs";

/**
 * Starts `wrangler dev`. Without a `.dev.vars` its database is a local Neon
 * endpoint over PGlite, with its data in `.data/neon`, and is migrated before.
 * Arguments are passed on: `npm run dev -- --port 8788`.
 */
async function main(): Promise<number> {
  if (existsSync(".dev.vars")) return await wranglerDev({});
  await using endpoint = await serveNeon({
    backend: "file://.data/neon",
    port: 0,
  });
  await using engine = createEngine(neon(endpoint.url));
  await migrate(engine, "drizzle");
  return await wranglerDev({ DATABASE_URL: endpoint.url });
}

async function wranglerDev(env: Record<string, string>): Promise<number> {
  const wrangler = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "npm:wrangler", "dev", ...Deno.args],
    env,
  }).spawn();
  // The database is closed when its user has gone.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => wrangler.kill("SIGTERM"));
  }
  return (await wrangler.status).code;
}

Deno.exit(await main());
