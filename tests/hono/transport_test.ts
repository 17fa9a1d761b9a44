import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { Hono } from "hono";
import { createEngine, sessionmaker, StateError } from "../../mod.ts";
import { dbSession, type SessionVariables } from "../../src/hono/mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { neon } from "../../src/neon/mod.ts";
import { testDatabase } from "../support/postgres.ts";

const kept = pgTable("kept", { n: integer().primaryKey() });
type Env = { Variables: SessionVariables };

Deno.test("dbSession() opens a WebSocket at once for requests that need one", async () => {
  await using database = await testDatabase({
    setup: "create table kept (n int primary key); insert into kept values (1)",
  });
  await using server = await serveNeon({ backend: database.url, port: 0 });
  const url = new URL(database.url);
  url.port = String(server.port);
  await using engine = createEngine(neon(url.href));
  const app = new Hono<Env>()
    .use(dbSession(sessionmaker(engine), {
      interactive: (c) => c.req.method !== "GET",
    }))
    .all("/", async (c) => {
      const { db } = c.var;
      const rows = await db.select().from(kept);
      const { requests, connections, transports, reason } = db.stats;
      return c.json([rows, requests, connections, transports, reason]);
    });
  const get = await (await app.request("/")).json();
  assertEquals(get, [
    [{ n: 1 }],
    1,
    0,
    { "one-shot": 1, "batch": 0, "interactive": 0 },
    "it only reads",
  ]);
  const post = await (await app.request("/", { method: "POST" })).json();
  assertEquals(post, [
    [{ n: 1 }],
    0,
    1,
    { "one-shot": 0, "batch": 0, "interactive": 1 },
    "it was asked for",
  ]);
});

Deno.test("dbSession() sends each request's own token, 50 at once", async () => {
  const seen: (string | null)[][] = [];
  const engine = createEngine(
    neon("postgres://app:marker@ep-x.eu.example.com/app", {
      async fetch(url, { headers, body }) {
        // So that requests overtake each other.
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
        const sent = new Headers(headers);
        const { queries } = JSON.parse(await new Response(body).text());
        seen.push([
          url,
          sent.get("authorization"),
          String(sent.get("neon-connection-string")),
          queries[0].params[0],
        ]);
        return Response.json({
          results: [{ fields: [], rows: [], command: "SELECT", rowCount: 0 }],
        });
      },
    }),
  );
  const app = new Hono<Env>()
    .use(dbSession(sessionmaker(engine), {
      authToken: (c) => c.req.header("x-token"),
    }))
    .onError((error, c) => c.text("code" in error ? `${error.code}` : ""))
    .get("/:n", async (c) => {
      await c.var.db.get(kept, Number(c.req.param("n")));
      const refused = await c.var.db.execute("select 1").catch((e) => e.code);
      await c.var.db.rollback();
      return c.text(String(refused));
    });
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => {
      const headers = { "x-token": `token ${n}` };
      return await (await app.request(`/${n}`, { headers })).text();
    }),
  );
  assertEquals(new Set(answers), new Set(["NO_CONNECTION"]));
  // Without one it would be sent under the password.
  for (const headers of [{}, { "x-token": "" }]) {
    const response = await app.request("/51", { headers });
    assertEquals(await response.text(), "CLAIMS_REQUIRED");
  }
  assertEquals(seen.length, 50);
  for (const [url, authorization, connection, n] of seen) {
    assertEquals([url, authorization, connection], [
      "https://apiauth.eu.example.com/sql",
      `Bearer token ${n}`,
      "postgresql://app@ep-x.eu.example.com/app",
    ]);
  }
});

Deno.test("a hook does not speak for somebody else than the session's token", async () => {
  const seen: unknown[] = [];
  const engine = createEngine(
    neon("postgres://app:marker@ep-x.eu.example.com/app", {
      fetch: () => Promise.reject(new Error("nobody asks")),
      WebSocket: class {
        constructor() {
          seen.push("a connection as the owner");
          throw new Error("nobody connects");
        }
      } as never,
    }),
  );
  const Session = sessionmaker(engine, {
    hooks: {
      async afterBegin(tx) {
        await tx.execute("select secrets");
      },
    },
  });
  await using db = Session({ authToken: "token" });
  const error = await assertRejects(() => db.get(kept, 1), StateError);
  assertEquals([error.code, seen], ["NO_CONNECTION", []]);
  assertStringIncludes(error.message, "afterBegin");
});
