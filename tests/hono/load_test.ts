import { assert, assertEquals } from "@std/assert";
import { sql } from "drizzle-orm";
import { integer, pgTable, serial } from "drizzle-orm/pg-core";
import { Hono } from "hono";
import { createEngine, NullPool, sessionmaker } from "../../mod.ts";
import { dbSession, type SessionVariables } from "../../src/hono/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { heapUsed } from "../support/collect_garbage.ts";
import { testDatabase } from "../support/postgres.ts";
import { seeded, testSeed } from "../support/random.ts";

/** How many requests; `deno task soak` sends 100,000. */
const REQUESTS = Number(Deno.env.get("NULLPOOL_TEST_LOAD") ?? 2_000);
const AT_ONCE = 40;

const hits = pgTable("hits", { id: serial().primaryKey(), n: integer() });

const seed = testSeed();

Deno.test(`${REQUESTS} requests, some of which go wrong, leave nothing behind`, async () => {
  await using database = await testDatabase({
    setup: "create table hits (id serial primary key, n int)",
  });
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) => new NullPool(driver, { maxOpen: 10, timeout: 60_000 }),
  });
  const scope = scopedSession(sessionmaker(engine, { schema: { hits } }));
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(scope, { signal: (c) => c.req.raw.signal }));
  app.get(
    "/read",
    async (c) => c.json(await scope.db.find(hits, sql`n < 3 and id < 20`)),
  );
  app.get("/write", (c) => {
    scope.db.add(hits, { n: 1 });
    return c.text("stored");
  });
  app.get("/throw", async () => {
    await scope.db.insert(hits).values({ n: -1 });
    throw new Error("thrown");
  });
  app.get("/abort", async (c) => {
    await scope.db.insert(hits).values({ n: -2 });
    await scope.db.execute("select pg_sleep(0.05)");
    return c.text("too late");
  });
  app.get("/late", async () => {
    await scope.db.insert(hits).values({ n: -3 });
    const sleep = scope.db.execute("select pg_sleep(30)");
    await scope.db.within(sleep, { timeout: 20 });
    return new Response();
  });
  app.get("/kill", async (c) => {
    await database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
        order by random() limit 3`,
    );
    return c.text("killed");
  });
  app.onError((error, c) => c.text(`failed: ${error.name}`, 500));
  const random = seeded(seed);
  const answers = new Map<string, number>();
  /** Of each hundred: 5 throw, 5 are aborted, 2 take too long. */
  function pathOf(n: number): string {
    if (n % 250 === 249) return "/kill";
    const of = random(100);
    if (of < 5) return "/throw";
    if (of < 10) return "/abort";
    if (of < 12) return "/late";
    return of < 60 ? "/read" : "/write";
  }
  async function ask(n: number): Promise<void> {
    const path = pathOf(n);
    const client = new AbortController();
    const request = new Request(`http://localhost${path}`, {
      signal: client.signal,
    });
    const answering = app.request(request);
    if (path === "/abort") setTimeout(() => client.abort(), random(20));
    const response = await answering;
    await response.text();
    const key = `${path} ${response.status}`;
    answers.set(key, (answers.get(key) ?? 0) + 1);
  }
  async function load(count: number): Promise<void> {
    const numbers = Array.from({ length: count }, (_, at) => at).values();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (const n of numbers) await ask(n);
    }));
    await engine.idle();
  }
  await load(500);
  answers.clear();
  await database.query("truncate hits restart identity");
  const before = heapUsed();
  await load(REQUESTS);
  const growth = heapUsed() - before;
  console.log(Object.fromEntries([...answers].toSorted()), { growth });
  const answered = [...answers.values()].reduce((sum, n) => sum + n, 0);
  assertEquals(answered, REQUESTS);
  assertEquals(engine.status().checkedOut, 0);
  await database.waitFor(async () => await database.connections() === 0);
  // What was thrown, aborted or late was rolled back, and what was answered is there.
  const [row] = await database.query(
    "select count(*) filter (where n < 0)::int as undone, count(*)::int as stored from hits",
  );
  assertEquals(row?.undone, 0);
  // Of those that failed at COMMIT nobody knows.
  const written = answers.get("/write 200") ?? 0;
  const unknown = answers.get("/write 500") ?? 0;
  const stored = Number(row?.stored);
  assert(stored >= written && stored <= written + unknown, `${stored} rows`);
  assert(growth < 5_000_000, `${growth} bytes`);
});
