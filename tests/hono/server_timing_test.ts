import { assert, assertEquals, assertMatch } from "@std/assert";
import { sql } from "drizzle-orm";
import { Hono } from "hono";
import { timing } from "hono/timing";
import {
  createEngine,
  type EngineMode,
  type RequestEvent,
  sessionmaker,
} from "../../mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import {
  dbSession,
  type DbSessionOptions,
  type SessionVariables,
} from "../../src/hono/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { neon } from "../../src/neon/mod.ts";
import { testDatabase } from "../support/postgres.ts";

interface Asked {
  readonly timing: string | null;
  readonly events: readonly RequestEvent[];
}

async function ask(
  path: string,
  mode: EngineMode,
  { withTiming, ...options }: DbSessionOptions & {
    readonly withTiming?: boolean;
  } = {},
): Promise<Asked> {
  await using database = await testDatabase();
  const endpoint = await serveNeon({ backend: database.url, port: 0 });
  try {
    await using engine = createEngine(neon(endpoint.url), { mode });
    const events: RequestEvent[] = [];
    engine.on("request", (event) => events.push(event));
    const app = new Hono<{ Variables: SessionVariables }>();
    app.onError((_, c) => c.text("sorry", 503));
    if (withTiming) app.use(timing({ totalDescription: "all" }));
    app.use("/orders/*", dbSession(sessionmaker(engine), options));
    app.get("/orders/empty", (c) => c.text("nothing"));
    app.get("/orders/:id", async (c) => {
      await Promise.all([
        c.var.db.select({ one: sql`1` }).from(sql`(values (1)) v`),
        c.var.db.select({ one: sql`1` }).from(sql`(values (1)) v`),
      ]);
      return c.text("two");
    });
    app.post("/orders/:id", async (c) => {
      await c.var.db.execute("select 1");
      await c.var.db.execute("select 2");
      return c.text("two", 201);
    });
    app.delete("/orders/:id", async (c) => {
      await c.var.db.execute("select 1");
      throw new Error("a handler's own");
    });
    const [method, target = ""] = path.split(" ");
    const response = await app.request(target, { method: `${method}` });
    return { timing: response.headers.get("server-timing"), events };
  } finally {
    await endpoint.close();
    await endpoint.idle();
  }
}

Deno.test("dbSession says what a request has cost, in development", async () => {
  const read = await ask("GET /orders/7", "development");
  assertMatch(
    read.timing ?? "",
    /^db;dur=\d+\.\d;desc="2 statements, 1 round trip, http"$/,
  );
  const write = await ask("POST /orders/7", "development");
  assertMatch(
    write.timing ?? "",
    /^db;dur=\d+\.\d;desc="2 statements, 3 round trips, connection"$/,
  );
  const failed = await ask("DELETE /orders/7", "development");
  assertMatch(failed.timing ?? "", /^db;dur=\d+\.\d;desc="1 statement, /);
  assertEquals((await ask("GET /orders/empty", "development")).timing, null);
});

Deno.test("dbSession says nothing of that in production, unless it is asked to", async () => {
  assertEquals((await ask("GET /orders/7", "production")).timing, null);
  const told = await ask("GET /orders/7", "production", { serverTiming: true });
  assert(told.timing?.startsWith("db;dur="));
  const hidden = { serverTiming: false };
  assertEquals(
    (await ask("GET /orders/7", "development", hidden)).timing,
    null,
  );
});

Deno.test("dbSession leaves the header to Hono's timing() where that is there", async () => {
  const { timing } = await ask("GET /orders/7", "development", {
    withTiming: true,
  });
  assertMatch(
    timing ?? "",
    /^db;dur=[\d.]+;desc="2 statements, 1 round trip, http",total;dur=[\d.]+;desc="all"$/,
  );
});

Deno.test("dbSession tells of a request by its route, never by its path", async () => {
  const told = async (path: string) => {
    const { events } = await ask(path, "production");
    return events.map(({ method, route, status, session }) => [
      method,
      route,
      status,
      session?.name,
    ]);
  };
  assertEquals(await told("GET /orders/7"), [
    ["GET", "/orders/:id", 200, "a GET request"],
  ]);
  assertEquals(await told("DELETE /orders/7"), [
    ["DELETE", "/orders/:id", 503, "a DELETE request"],
  ]);
});

Deno.test("dbSession adds a header of its own where timing() comes behind it", async () => {
  const engine = createEngine(recordingDriver(), { mode: "development" });
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(sessionmaker(engine)));
  app.use(timing());
  app.get("/", async (c) => {
    await c.var.db.execute("select 1");
    return c.text("one");
  });
  const response = await app.request("/");
  assertMatch(
    response.headers.get("server-timing") ?? "",
    /^total;dur=.*, db;dur=[\d.]+;desc="1 statement, /,
  );
});

Deno.test("dbSession closes the session of an answer that cannot have a header", async () => {
  const engine = createEngine(recordingDriver(), { mode: "development" });
  const told: string[] = [];
  engine.on("request", ({ type }) => told.push(type));
  engine.on("sessionClose", ({ type }) => told.push(type));
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(sessionmaker(engine)));
  app.use(async (c, next) => {
    await next();
    c.res.body?.getReader();
  });
  app.get("/", async (c) => {
    await c.var.db.execute("select 1");
    return c.body(new ReadableStream());
  });
  const response = await app.request("/");
  await engine.idle();
  assertEquals(response.status, 200);
  assertEquals(told, ["request", "sessionClose"]);
});
