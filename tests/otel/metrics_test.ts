import { assert, assertEquals, assertRejects } from "@std/assert";
import { integer, pgTable, serial } from "drizzle-orm/pg-core";
import {
  createEngine,
  type Engine,
  QueuePool,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import { instrument } from "../../src/otel/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { type MetricBed, metricBed, type Series } from "./metric_bed.ts";

const things = pgTable("things", {
  id: serial().primaryKey(),
  n: integer().notNull().unique(),
});
const schema = { things };
const setup =
  "create table things (id serial primary key, n int not null unique)";

interface Bed {
  readonly database: TestDatabase;
  readonly engine: Engine;
  readonly Session: Sessionmaker<typeof schema>;
  readonly metrics: MetricBed;
  /** What the pool is called. */
  readonly pool: string;
}

function metricsTest(name: string, run: (bed: Bed) => Promise<void>): void {
  Deno.test(`instrument() ${name}`, async () => {
    await using database = await testDatabase({ setup });
    await using engine = createEngine(postgres(database.url), {
      pool: (driver) =>
        new QueuePool(driver, { poolSize: 3, maxOverflow: 1, timeout: 30 }),
    });
    await using metrics = metricBed();
    instrument(engine, { meterProvider: metrics.meterProvider, spans: [] });
    const Session = sessionmaker(engine, { schema });
    const { port, pathname } = new URL(database.url);
    const pool = `127.0.0.1:${port}${pathname}`;
    await run({ database, engine, Session, metrics, pool });
  });
}

/** Values by what an attribute says. */
function by(name: string, series: readonly Series[] = []) {
  return Object.fromEntries(
    series.map(({ attributes, value }) => [String(attributes[name]), value]),
  );
}

metricsTest("measures the statements that the server has run", async (bed) => {
  const { database, engine, Session, metrics } = bed;
  await Session.begin(async (db) => {
    for (let n = 0; n < 5; n++) await db.insert(things).values({ n });
    await db.select().from(things);
  });
  await assertRejects(() =>
    Session.begin((db) => db.insert(things).values({ n: 0 }).then(() => {}))
  );
  await assertRejects(() =>
    Session.begin(async (db) => {
      await db.insert(things).values({ n: 9 });
      throw new RangeError("the handler's own");
    })
  );
  await Session.begin((db) =>
    Promise.all([db.select().from(things), db.$count(things)])
  );
  await engine.idle();
  const collected = await metrics.collect();
  const operations = collected.get("db.client.operation.duration") ?? [];
  const failed = operations.filter(({ attributes }) =>
    "error.type" in attributes
  );
  assertEquals(
    failed.map(({ attributes, value }) => [
      attributes["db.query.summary"],
      attributes["error.type"],
      attributes["db.response.status_code"],
      value,
    ]),
    [["insert things", "23505", "23505", 1]],
  );
  const counts: Record<string, number> = {};
  for (const { attributes, value } of operations) {
    const summary = String(attributes["db.query.summary"]);
    counts[summary] = (counts[summary] ?? 0) + value;
  }
  const sent = await database.log();
  const logged = (start: string) =>
    sent.filter((text) => text.startsWith(start)).length;
  assertEquals(counts, {
    "insert things": logged("insert"),
    "select things": 1,
    // Two reads that travel together, in a transaction of their own.
    "BATCH select things": 1,
    "commit": logged("commit") - 1,
    // That of the failed insert was sent by nobody's wish.
    "rollback": logged("rollback") - 1,
  });
  assertEquals(logged("select"), 1 + 2);
  assertEquals(operations[0]?.bounds, [
    0.001,
    0.005,
    0.01,
    0.05,
    0.1,
    0.5,
    1,
    5,
    10,
  ]);
  assertEquals(
    by("nullpool.transaction.outcome", collected.get("nullpool.transactions")),
    { "committed": 1, "rolled back": 2 },
  );
  const [trips] = collected.get("nullpool.session.round_trips") ?? [];
  assertEquals(trips?.value, 4);
  // 5 inserts, a read, COMMIT; an insert, ROLLBACK; the same; two reads at once.
  assertEquals(trips?.sum, 7 + 2 + 2 + 1);
});

metricsTest("measures the connections that the server has", async (bed) => {
  const { database, engine, Session, metrics, pool } = bed;
  const connections = async () => {
    const collected = await metrics.collect();
    const series = collected.get("db.client.connection.count") ?? [];
    for (const { attributes } of series) {
      assertEquals(attributes["db.client.connection.pool.name"], pool);
    }
    return by("db.client.connection.state", series);
  };
  assertEquals(await connections(), { used: 0, idle: 0, closing: 0 });
  const held = await Promise.all([1, 2, 3, 4].map(async (n) => {
    const db = Session({ name: `holder ${n}` });
    await db.insert(things).values({ n });
    return db;
  }));
  assertEquals(await connections(), { used: 4, idle: 0, closing: 0 });
  assertEquals(await database.connections(), 4);
  const late = Session({ name: "late" });
  const waiting = assertRejects(() =>
    late.insert(things).values({ n: 9 }).then(() => {})
  );
  await waiting;
  await late.close();
  for (const db of held) await db.close();
  await engine.idle();
  assertEquals(await connections(), { used: 0, idle: 3, closing: 0 });
  await database.waitFor(async () => await database.connections() === 3);
  const collected = await metrics.collect();
  const value = (name: string) =>
    collected.get(name)?.map(({ value }) => value);
  assertEquals(value("db.client.connection.create_time"), [4]);
  assertEquals(value("db.client.connection.wait_time"), [4]);
  assertEquals(value("db.client.connection.use_time"), [4]);
  assertEquals(value("db.client.connection.timeouts"), [1]);
  assertEquals(value("db.client.connection.pending_requests"), [0]);
  assertEquals(value("db.client.connection.max"), [4]);
  assertEquals(value("db.client.connection.idle.max"), [3]);
  const [wait] = collected.get("db.client.connection.create_time") ?? [];
  assert((wait?.sum ?? 0) > 0 && (wait?.sum ?? 9) < 4, "seconds");
});

metricsTest("measures who waits, while they wait", async (bed) => {
  const { engine, Session, metrics } = bed;
  const pending = async () => {
    const collected = await metrics.collect();
    const [series] = collected.get("db.client.connection.pending_requests") ??
      [];
    return series?.value;
  };
  const held = await Promise.all([1, 2, 3, 4].map(async (n) => {
    const db = Session();
    await db.insert(things).values({ n });
    return db;
  }));
  const late = Session();
  const waiting = late.insert(things).values({ n: 9 }).then(() => {});
  waiting.catch(() => {});
  while (engine.status().waiting === 0) await null;
  assertEquals(await pending(), 1);
  await held[0]?.close();
  await waiting;
  assertEquals(await pending(), 0);
  for (const db of [...held, late]) await db.close();
});

metricsTest("measures operations in seconds", async (bed) => {
  const { Session, metrics } = bed;
  await Session.begin((db) => db.execute("select pg_sleep(0.03)"));
  const collected = await metrics.collect();
  const sleeps = collected.get("db.client.operation.duration")
    ?.filter(({ attributes }) => attributes["db.operation.name"] === "select");
  const [{ sum = 0 } = {}] = sleeps ?? [];
  assert(sum >= 0.03 && sum < 10, `${sum}`);
});

metricsTest("counts what is run again", async (bed) => {
  const { engine, Session, metrics } = bed;
  let runs = 0;
  await Session.begin(async (db) => {
    runs++;
    if (runs < 3) {
      await db.execute("do $$ begin raise sqlstate '40001'; end $$");
    }
  }, { retry: { maxDelay: 1 } });
  await engine.idle();
  const collected = await metrics.collect();
  assertEquals(by("error.type", collected.get("nullpool.retries")), {
    SERIALIZATION_FAILURE: 2,
  });
});

Deno.test("instrument() calls a pool as it was told to", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(() => database.url));
  await using metrics = metricBed();
  const { meterProvider } = metrics;
  instrument(engine, { meterProvider, poolName: "orders", spans: [] });
  await sessionmaker(engine).begin((db) => db.execute("select 1"));
  await engine.idle();
  const names = new Set(
    [...(await metrics.collect()).values()].flat().flatMap(({ attributes }) =>
      attributes["db.client.connection.pool.name"] ?? []
    ),
  );
  assertEquals([...names], ["orders"]);
});
