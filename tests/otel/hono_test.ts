import { assert, assertEquals } from "@std/assert";
import { integer, pgTable, serial } from "drizzle-orm/pg-core";
import { Hono } from "hono";
import {
  createEngine,
  mapTasks,
  QueuePool,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import { background, dbSession, transactional } from "../../src/hono/mod.ts";
import { instrument } from "../../src/otel/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { type ScopedSession, scopedSession } from "../../src/scoped/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { CONNECTING, type SpanBed, spanBed } from "./otel_bed.ts";

const things = pgTable("things", {
  id: serial().primaryKey(),
  n: integer().notNull(),
});
const schema = { things };
const setup = "create table things (id serial primary key, n int not null)";

interface Bed {
  readonly app: Hono;
  readonly Session: Sessionmaker<typeof schema>;
  readonly scope: ScopedSession<typeof schema>;
  readonly spans: SpanBed;
  /** Asks, and waits for what runs behind the answers. */
  ask(...targets: readonly string[]): Promise<void>;
}

function honoTest(name: string, run: (bed: Bed) => Promise<void>): void {
  Deno.test(`instrument() under Hono ${name}`, async () => {
    await using database = await testDatabase({ setup });
    await using engine = createEngine(postgres(database.url), {
      pool: (driver) => new QueuePool(driver, { poolSize: 5 }),
    });
    const spans = spanBed();
    instrument(engine);
    const Session = sessionmaker(engine, { schema });
    const scope = scopedSession(Session);
    const app = new Hono();
    app.use(spans.middleware);
    app.use(dbSession(scope));
    app.onError((_, c) => c.text("sorry", 500));
    await run({
      app,
      Session,
      scope,
      spans,
      async ask(...targets) {
        await Promise.all(targets.map(async (target) => {
          const [method, path = ""] = target.split(" ");
          await app.request(path, { method: `${method}` });
        }));
        await engine.idle();
      },
    });
  });
}

honoTest("makes sessions children of their request", async (bed) => {
  const { app, scope: { db }, spans, ask } = bed;
  app.get("/read", async (c) => c.json(await db.select().from(things)));
  app.post("/write", async (c) => {
    db.add(things, { n: 1 });
    await db.commit();
    return c.text("written");
  });
  app.get("/nothing", (c) => c.text("nothing"));
  app.post("/undone", async (c) => {
    await db.insert(things).values({ n: 1 });
    return c.text("no", 409);
  });
  await ask("GET /read");
  await ask("POST /write");
  await ask("POST /undone");
  await ask("GET /nothing");
  assertEquals(spans.tree({ without: CONNECTING }), [
    "GET /read",
    "  database session",
    "    select things",
    "POST /write",
    "  database session",
    "    database transaction",
    "      insert things",
    "POST /undone",
    "  database session",
    "    database transaction",
    "      insert things",
    "      rollback",
    "GET /nothing",
  ]);
  const [, undone] = spans.named("database transaction");
  assertEquals(
    undone?.attributes["nullpool.transaction.reason"],
    "response status 409",
  );
});

honoTest("tells fifty requests at once apart", async (bed) => {
  const { app, Session, scope: { db }, spans, ask } = bed;
  app.post("/:n", async (c) => {
    const n = Number(c.req.param("n"));
    // Wrong, right, and of another session: each tells whose it is.
    await db.execute(`select "a${n}"`).catch(() => {});
    await db.rollback();
    await db.execute(`insert into things (n) select 1 "b${n}"`);
    await db.commit();
    await mapTasks(Session, [n], async (task) => {
      await task.execute(`insert into things (n) select 2 "c${n}"`);
    });
    return c.text("done");
  });
  const numbers = Array.from({ length: 50 }, (_, n) => n);
  await ask(...numbers.map((n) => `POST /${n}`));
  const all = spans.spans();
  const byId = new Map(all.map((span) => [span.spanContext().spanId, span]));
  let count = 0;
  for (const span of all) {
    const text = String(span.attributes["db.query.text"] ?? "");
    const own = /"[a-z](\d+)/.exec(text)?.[1];
    if (own === undefined) continue;
    count++;
    let top = span;
    for (;;) {
      const above = byId.get(top.parentSpanContext?.spanId ?? "");
      if (above === undefined) break;
      top = above;
    }
    assertEquals(top.name, `POST /${own}`);
    assertEquals(top.spanContext().traceId, span.spanContext().traceId);
  }
  assertEquals(count, 150);
  assertEquals(spans.named("database session").length, 100);
});

honoTest("links work behind the response to its request", async (bed) => {
  const { app, Session, scope: { db }, spans, ask } = bed;
  app.post("/orders", async (c) => {
    await db.select().from(things);
    background(c, Session, (own) => own.insert(things).values({ n: 1 }));
    return c.text("ordered");
  });
  await ask("POST /orders");
  assertEquals(spans.tree({ without: CONNECTING }), [
    "POST /orders",
    "  database session",
    "    select things",
    "  database session",
    "    database transaction",
    "      insert things",
    "      commit",
  ]);
  const [request, behind] = spans.named("database session");
  assert(request !== undefined);
  assertEquals(request.links, []);
  assertEquals(
    behind?.links.map(({ context }) => context.spanId),
    [request.spanContext().spanId],
  );
});

honoTest(
  "says of the runs of transactional() which were repeated",
  async (bed) => {
    const { app, scope, spans } = bed;
    let runs = 0;
    app.post(
      "/again",
      transactional(scope, async (c) => {
        await scope.db.insert(things).values({ n: ++runs });
        if (runs === 1) {
          await scope.db.execute("do $$ begin raise sqlstate '40001'; end $$");
        }
        return c.text("done");
      }, { retry: { maxDelay: 1 }, key: "own" }),
    );
    await bed.ask("POST /again");
    assertEquals(runs, 2);
    assertEquals(
      spans.named("database session").map(({ attributes }) => [
        attributes["nullpool.retry.failures"],
        attributes["nullpool.retry.reason"],
      ]),
      [[1, "SERIALIZATION_FAILURE"], [undefined, undefined]],
    );
  },
);
