import { serve } from "@hono/node-server";
import { migrate } from "@nullpool/db";
import process from "node:process";
import { bank } from "./app.ts";
import { openEngine } from "./engine.ts";

/** Milliseconds that requests have to end, once the process is asked to. */
const GRACE = 10_000;

const engine = openEngine();
// A real database is migrated before a deployment: npm run migrate.
if (engine.driver.name === "pglite") await migrate(engine, "drizzle");

const server = serve({
  fetch: bank(engine).fetch,
  hostname: process.env.HOST ?? "127.0.0.1",
  port: Number(process.env.PORT ?? 8000),
}, ({ address, port }) => console.log(`Accounts: http://${address}:${port}`));

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, stop);
}

/** Answers what is under way, and closes the pool; cancels what takes long. */
async function stop(): Promise<void> {
  // A connection that waits for its next request would be waited for.
  if ("keepAliveTimeout" in server) server.keepAliveTimeout = 1;
  const answered = new Promise((resolve) => server.close(resolve));
  const late = new Promise((resolve) => setTimeout(resolve, GRACE));
  await Promise.race([answered, late]);
  await engine.dispose({ deadline: 0 });
  process.exit();
}
