import { Hono } from "hono";
import { integer, pgTable, serial } from "drizzle-orm/pg-core";
import { createEngine, sessionmaker } from "../../mod.ts";
import { dbSession } from "../../src/hono/mod.ts";
import { instrument } from "../../src/otel/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";

/**
 * A program as a user writes it: nothing of OpenTelemetry is set up. It answers
 * as many requests at once as it is told to, and ends.
 */
const things = pgTable("things", {
  id: serial().primaryKey(),
  n: integer().notNull(),
});
const engine = createEngine(postgres(Deno.env.get("DATABASE_URL") ?? ""));
instrument(engine);
const scope = scopedSession(sessionmaker(engine, { schema: { things } }));
const { db } = scope;
const app = new Hono();
app.use(dbSession(scope));
app.post("/things/:n", async (c) => {
  const n = Number(c.req.param("n"));
  await db.insert(things).values({ n });
  await db.execute(`select ${n} as "own${n}"`);
  return c.text("stored");
});
const server = Deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen: () => {} },
  app.fetch,
);
const count = Number(Deno.env.get("REQUESTS"));
await Promise.all(Array.from({ length: count }, async (_, n) => {
  const url = `http://127.0.0.1:${server.addr.port}/things/${n}`;
  const response = await fetch(url, { method: "POST" });
  await response.text();
}));
await server.shutdown();
await engine.dispose();
