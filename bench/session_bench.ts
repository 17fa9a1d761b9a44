/**
 * What a session costs beside Drizzle on the same driver, and the middleware
 * beside a bare `AsyncLocalStorage`: `deno bench -A bench`.
 *
 * The ratio is what counts, not the microseconds.
 */
import { assertEquals } from "@std/assert";
import { drizzle } from "drizzle-orm/node-postgres";
import { eq } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import { Hono } from "hono";
import { AsyncLocalStorage } from "node:async_hooks";
import process from "node:process";
import pg from "pg";
import { createEngine, QueuePool, sessionmaker } from "../mod.ts";
import { dbSession } from "../src/hono/mod.ts";
import { postgres } from "../src/postgres/mod.ts";
import { scopedSession } from "../src/scoped/mod.ts";
import { testDatabase } from "../tests/support/postgres.ts";

const users = pgTable("users", {
  id: serial().primaryKey(),
  name: text().notNull(),
  age: integer(),
});
const database = await testDatabase({
  setup:
    `create table users (id serial primary key, name text not null, age int);
    insert into users (name, age) select 'u' || n, n from generate_series(1, 100) n`,
});
const client = new pg.Client(database.url);
await client.connect();
const raw = drizzle(client);
const engine = createEngine(postgres(database.url), {
  pool: (driver) => new QueuePool(driver, { poolSize: 1 }),
});
const Sessions = sessionmaker(engine, { schema: { users } });

Deno.bench({
  name: "Drizzle on a client that is open",
  group: "open, read once, close",
  baseline: true,
  async fn() {
    const rows = await raw.select().from(users).where(eq(users.id, 7));
    assertEquals(rows.length, 1);
  },
});

Deno.bench({
  name: "a session: select()",
  group: "open, read once, close",
  async fn() {
    const db = Sessions();
    const rows = await db.select().from(users).where(eq(users.id, 7));
    assertEquals(rows.length, 1);
    await db.close();
  },
});

Deno.bench({
  name: "a session: get()",
  group: "open, read once, close",
  async fn() {
    const db = Sessions();
    const user = await db.get(users, 7);
    assertEquals(user?.id, 7);
    await db.close();
  },
});

const storage = new AsyncLocalStorage<object>();
const bare = new Hono()
  .use((_, next) => storage.run({}, next))
  .get("/", (c) => c.text("ok"));
const scope = scopedSession(Sessions);
const withSession = new Hono()
  .use(dbSession(scope))
  .get("/", (c) => c.text("ok"));

Deno.bench({
  name: "a middleware that does als.run() only",
  group: "a request without a query",
  baseline: true,
  async fn() {
    await (await bare.request("/")).text();
  },
});

Deno.bench({
  name: "dbSession()",
  group: "a request without a query",
  async fn() {
    await (await withSession.request("/")).text();
  },
});

// The package that brings PostgreSQL ends the process itself, which a
// benchmark must not; the server ends with the process either way.
process.removeAllListeners("beforeExit");
globalThis.addEventListener("unhandledrejection", (event) => {
  if (String(event.reason).includes("done is not a function")) {
    event.preventDefault();
  }
});
