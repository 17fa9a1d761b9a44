import { createEngine, migrate, QueuePool } from "@nullpool/db";
import { pglite } from "@nullpool/db/pglite";
import { postgres } from "@nullpool/db/postgres";
import { serve } from "bun";
import process from "node:process";
import { shortener } from "./app.ts";

/** Milliseconds that requests have to end, once the process is asked to. */
const GRACE = 10_000;

const url = process.env.DATABASE_URL;
const engine = url
  ? createEngine(postgres(url), { pool: (driver) => new QueuePool(driver) })
  : createEngine(pglite(".data/links"));
// Instances that start at once wait for each other.
await migrate(engine, "drizzle");

const server = serve({
  fetch: shortener(engine).fetch,
  hostname: process.env.HOST ?? "127.0.0.1",
  port: Number(process.env.PORT ?? 8000),
});
console.log(`Links: http://${server.hostname}:${server.port}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, stop);
}

/** Answers what is under way, and closes the pool; cancels what takes long. */
async function stop(): Promise<void> {
  const late = new Promise((resolve) => setTimeout(resolve, GRACE));
  await Promise.race([server.stop(), late]);
  // Work behind an answer is waited for as well.
  await Promise.race([engine.idle(), late]);
  await engine.dispose({ deadline: 0 });
  process.exit();
}
