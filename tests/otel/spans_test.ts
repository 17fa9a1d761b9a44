import { assert, assertEquals, assertRejects } from "@std/assert";
import { SpanKind } from "@opentelemetry/api";
import { sql } from "drizzle-orm";
import { integer, pgTable, serial } from "drizzle-orm/pg-core";
import {
  createEngine,
  type Engine,
  mapTasks,
  QueuePool,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { neon } from "../../src/neon/mod.ts";
import { instrument, type InstrumentOptions } from "../../src/otel/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { CONNECTING, msOf, type SpanBed, spanBed } from "./otel_bed.ts";

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
  readonly spans: SpanBed;
}

async function withBed(
  transport: "TCP" | "HTTP",
  options: InstrumentOptions,
  run: (bed: Bed) => Promise<void>,
): Promise<void> {
  await using database = await testDatabase({ setup });
  const server = await serveNeon({ backend: database.url, port: 0 });
  const driver = transport === "TCP"
    ? postgres(database.url)
    : neon(server.url, { transport: "auto" });
  await using engine = createEngine(driver);
  const spans = spanBed();
  const errors: unknown[] = [];
  engine.on("listenerError", ({ error }) => errors.push(error));
  const stop = instrument(engine, options);
  const Session = sessionmaker(engine, { schema });
  try {
    await run({ database, engine, Session, spans });
    assertEquals(errors, []);
  } finally {
    stop();
    await server.close();
    await server.idle();
  }
}

function spansTest(
  name: string,
  run: (bed: Bed) => Promise<void>,
  options: InstrumentOptions = {},
): void {
  Deno.test(`instrument() ${name}`, () => withBed("TCP", options, run));
}

function httpTest(name: string, run: (bed: Bed) => Promise<void>): void {
  Deno.test(`instrument() ${name}, over HTTP`, () => withBed("HTTP", {}, run));
}

spansTest("tells the spans of a session by the conventions", async (bed) => {
  const { database, engine, Session, spans } = bed;
  await Session.begin(async (db) => {
    await db.insert(things).values({ n: 1 });
    await db.select().from(things);
  });
  await engine.idle();
  assertEquals(spans.tree(), [
    "database session",
    "  pool checkout",
    "    connect",
    "  database transaction",
    "    insert things",
    "    select things",
    "    commit",
  ]);
  const { port, pathname } = new URL(database.url);
  const where = {
    "db.system.name": "postgresql",
    "db.namespace": pathname.slice(1),
    "server.address": "127.0.0.1",
    "server.port": Number(port),
  };
  const [insert] = spans.named("insert things");
  assertEquals(insert?.kind, SpanKind.CLIENT);
  assertEquals(insert?.status.code, 0);
  assertEquals(insert?.attributes, {
    ...where,
    "db.query.summary": "insert things",
    "db.operation.name": "insert",
    "db.collection.name": "things",
    "db.query.text": 'insert into "things" ("id", "n") values (default, $1)',
  });
  const [transaction] = spans.named("database transaction");
  assertEquals(transaction?.kind, SpanKind.INTERNAL);
  assertEquals(transaction?.attributes, {
    ...where,
    "nullpool.transaction.isolation_level": "read committed",
    "nullpool.transaction.read_only": false,
    "nullpool.transaction.outcome": "committed",
  });
  const [session] = spans.named("database session");
  assertEquals(session?.attributes, {
    ...where,
    "nullpool.session.name": "a session",
    "nullpool.session.statements": 2,
    "nullpool.session.round_trips": 3,
  });
  assertEquals(session?.instrumentationScope.name, "@nullpool/db");
});

spansTest("tells times that lie within one another", async (bed) => {
  const { engine, Session, spans } = bed;
  const before = Date.now();
  await spans.inside("request", async () => {
    await Session.begin((db) => db.execute("select pg_sleep(0.02)"));
  });
  await engine.idle();
  const byId = new Map(
    spans.spans().map((span) => [span.spanContext().spanId, span]),
  );
  for (const span of spans.spans()) {
    const [start, end] = [msOf(span.startTime), msOf(span.endTime)];
    assert(start >= before - 2 && end <= Date.now() + 2, span.name);
    const parent = byId.get(span.parentSpanContext?.spanId ?? "");
    if (parent === undefined || parent.name === "request") continue;
    // Times are told in nanoseconds, and kept in floating point.
    assert(start >= msOf(parent.startTime) - 0.01, span.name);
    assert(end <= msOf(parent.endTime) + 0.01, span.name);
  }
  const [sleep] = spans.named("select");
  assert(msOf(sleep?.duration ?? [0, 0]) >= 20);
});

Deno.test("instrument() begins a checkout before what it opens, however late it hears of it", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url));
  engine.on("checkout", () => {
    const end = performance.now() + 5;
    while (performance.now() < end);
  });
  const spans = spanBed();
  instrument(engine);
  await sessionmaker(engine).begin((db) => db.execute("select 1"));
  await engine.idle();
  const [checkout] = spans.named("pool checkout");
  const [connect] = spans.named("connect");
  assert(checkout && connect);
  assertEquals(
    connect.parentSpanContext?.spanId,
    checkout.spanContext().spanId,
  );
  assert(msOf(checkout.startTime) <= msOf(connect.startTime));
});

spansTest("tells why a statement has failed", async (bed) => {
  const { engine, Session, spans } = bed;
  await assertRejects(() =>
    Session.begin(async (db) => {
      await db.insert(things).values({ n: 1 });
      await db.insert(things).values({ n: 1 });
    })
  );
  await engine.idle();
  assertEquals(spans.tree({ without: CONNECTING }), [
    "database session !23505",
    "  database transaction !23505",
    "    insert things",
    "    insert things !23505",
  ]);
  const [, failed] = spans.named("insert things");
  assertEquals(failed?.attributes["db.response.status_code"], "23505");
  assertEquals(failed?.status, { code: 2 });
  assertEquals(failed?.events, []);
});

spansTest("tells a rollback, which is no error in itself", async (bed) => {
  const { engine, Session, spans } = bed;
  await assertRejects(() =>
    Session.begin(async (db) => {
      await db.insert(things).values({ n: 1 });
      throw new RangeError("the handler's own");
    })
  );
  await engine.idle();
  assertEquals(spans.tree({ without: CONNECTING }), [
    "database session",
    "  database transaction",
    "    insert things",
    "    rollback",
  ]);
  const [transaction] = spans.named("database transaction");
  assertEquals(
    transaction?.attributes["nullpool.transaction.outcome"],
    "rolled back",
  );
});

spansTest(
  "tells a failure that a savepoint has made good as its own",
  async (bed) => {
    const { engine, Session, spans } = bed;
    await Session.begin(async (db) => {
      await db.insert(things).values({ n: 1 });
      await assertRejects(() =>
        db.beginNested((nested) =>
          nested.insert(things).values({ n: 1 }).then(() => {})
        )
      );
      await db.insert(things).values({ n: 2 });
    });
    await engine.idle();
    assertEquals(spans.tree({ without: CONNECTING }), [
      "database session",
      "  database transaction",
      "    insert things",
      "    insert things !23505",
      "    insert things",
      "    commit",
    ]);
  },
);

spansTest("tells a COMMIT that fails", async (bed) => {
  const { database, engine, Session, spans } = bed;
  await database.query(
    "create table late (n int unique deferrable initially deferred)",
  );
  await assertRejects(() =>
    Session.begin(async (db) => {
      await db.execute("insert into late values (1), (1)");
    })
  );
  await engine.idle();
  assertEquals(spans.tree({ without: CONNECTING }), [
    "database session !23505",
    "  database transaction !23505",
    "    insert late",
    "    commit !23505",
  ]);
});

spansTest("tells statements that travel together as a batch", async (bed) => {
  const { engine, Session, spans } = bed;
  await Session.begin(async (db) => {
    await Promise.all([
      db.select().from(things),
      db.select().from(things),
    ]);
    await Promise.all([
      db.insert(things).values({ n: 1 }),
      db.select().from(things),
    ]);
  });
  await engine.idle();
  assertEquals(spans.tree({ without: CONNECTING }), [
    "database session",
    "  BATCH select things",
    "    select things",
    "    select things",
    "  database transaction",
    "    BATCH",
    "      insert things",
    "      select things",
    "    commit",
  ]);
  const [batch] = spans.named("BATCH");
  assertEquals(batch?.attributes["db.operation.batch.size"], 2);
  assertEquals(batch?.attributes["db.operation.name"], "BATCH");
  const [reads] = spans.named("BATCH select things");
  assertEquals(reads?.attributes["db.collection.name"], "things");
  assertEquals(reads?.attributes["db.operation.name"], "BATCH select");
  const [insert] = spans.named("insert things");
  assertEquals(insert?.attributes["db.operation.batch.size"], undefined);
});

spansTest("tells which statement of a batch has failed", async (bed) => {
  const { engine, Session, spans } = bed;
  const db = Session();
  const outcomes = await Promise.allSettled([
    db.execute(sql`select 1`).then(() => {}),
    db.execute(sql`select 1 / ${0}::int`).then(() => {}),
    db.execute(sql`select 3`).then(() => {}),
  ]);
  assertEquals(outcomes.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "rejected",
  ]);
  await db.close();
  await engine.idle();
  assertEquals(spans.tree({ without: CONNECTING }), [
    "database session !22012",
    "  database transaction !22012",
    "    BATCH select !22012",
    "      select",
    "      select !22012",
  ]);
  const [batch] = spans.named("BATCH select");
  assertEquals(batch?.attributes["db.operation.batch.size"], 3);
});

httpTest("tells reads and units of work that are requests", async (bed) => {
  const { engine, Session, spans } = bed;
  const db = Session();
  await db.select().from(things);
  db.add(things, { n: 1 });
  await db.commit();
  await Promise.all([db.$count(things), db.select().from(things)]);
  db.add(things, { n: 2 });
  void db.enqueue(db.update(things).set({ n: 3 })).catch(() => {});
  await assertRejects(() => db.commit());
  await db.close();
  await engine.idle();
  assertEquals(spans.tree(), [
    "database session !23505",
    "  select things",
    "  database transaction",
    "    insert things",
    "  BATCH select things",
    "    select things",
    "    select things",
    // PostgreSQL does not say which it was.
    "  BATCH !23505",
    "    insert things !23505",
    "    update things !23505",
  ]);
});

spansTest("keeps settings and claims out of batches", async (bed) => {
  const { engine, spans } = bed;
  const Session = sessionmaker(
    engine.with({ settings: { "app.tenant": "a value" } }),
  );
  await Session.begin((db) => db.execute("insert into things (n) values (7)"));
  await engine.idle();
  assertEquals(spans.tree({ without: CONNECTING }), [
    "database session",
    "  database transaction",
    "    insert things",
    "    commit",
  ]);
});

spansTest("makes no span of a session that does nothing", async (bed) => {
  const { engine, Session, spans } = bed;
  await Session.begin(() => Promise.resolve());
  await Session().close();
  await engine.idle();
  assertEquals(spans.tree(), []);
});

spansTest("makes the runs of a unit of work siblings", async (bed) => {
  const { engine, Session, spans } = bed;
  let runs = 0;
  await spans.inside("work", () =>
    Session.begin(async (db) => {
      runs++;
      await db.insert(things).values({ n: runs });
      if (runs === 1) {
        await db.execute(
          "do $$ begin raise sqlstate '40001'; end $$",
        );
      }
    }, { retry: { maxDelay: 1 } }));
  await engine.idle();
  assertEquals(spans.tree({ without: CONNECTING }), [
    "work",
    "  database session !40001",
    "    database transaction !40001",
    "      insert things",
    "      do !40001",
    "  database session",
    "    database transaction",
    "      insert things",
    "      commit",
  ]);
  const [first] = spans.named("database session");
  assertEquals(first?.attributes["nullpool.retry.failures"], 1);
  assertEquals(
    first?.attributes["nullpool.retry.reason"],
    "SERIALIZATION_FAILURE",
  );
});

spansTest(
  "makes tasks children of the session that waits for them",
  async (bed) => {
    const { engine, Session, spans } = bed;
    const scope = scopedSession(Session);
    await spans.inside("job", () =>
      scope.run(async () => {
        await scope.db.select().from(things);
        await mapTasks(
          Session,
          [1, 2],
          (db, n) => db.insert(things).values({ n }).then(() => {}),
        );
        await spans.inside("a part", () =>
          mapTasks(
            Session,
            [3],
            (db, n) => db.insert(things).values({ n }).then(() => {}),
          ).then(() => {}));
      }));
    await engine.idle();
    const task = (indent: string) => [
      `${indent}database session`,
      `${indent}  database transaction`,
      `${indent}    insert things`,
      `${indent}    commit`,
    ];
    const tree = spans.tree({ without: CONNECTING });
    assertEquals(tree.slice(0, 3), [
      "job",
      "  database session",
      "    select things",
    ]);
    // The two run side by side.
    assertEquals(
      tree.slice(3, 11).toSorted(),
      [...task("    "), ...task("    ")].toSorted(),
    );
    assertEquals(tree.slice(11), ["  a part", ...task("    ")]);
    // A span that was made active in between is nearer than the session.
    const linked = spans.spans().filter((span) => span.links.length > 0);
    const [outer] = spans.named("database session").filter((span) =>
      span.attributes["nullpool.session.round_trips"] === 1
    );
    assertEquals(
      linked.map(({ links }) => links.map(({ context }) => context.spanId)),
      [[outer?.spanContext().spanId]],
    );
  },
);

Deno.test("instrument() tells a wait that was in vain", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) =>
      new QueuePool(driver, { poolSize: 1, maxOverflow: 0, timeout: 30 }),
  });
  const spans = spanBed();
  instrument(engine);
  const Session = sessionmaker(engine);
  await using holder = Session();
  await holder.execute("select 1");
  await using late = Session({ name: "late" });
  await assertRejects(() => late.execute("select 1").then(() => {}));
  await late.close();
  await holder.close();
  await engine.idle();
  assertEquals(
    spans.spans().filter(({ status }) => status.code === 2).map((span) => [
      span.name,
      span.attributes["error.type"],
    ]),
    [["pool checkout", "POOL_TIMEOUT"], ["database session", "POOL_TIMEOUT"]],
  );
});

Deno.test("instrument() tells a server that refuses the connection", async () => {
  await using database = await testDatabase();
  const url = new URL(database.url);
  url.pathname = "/nowhere";
  await using engine = createEngine(postgres(url.href));
  const spans = spanBed();
  instrument(engine);
  await using db = sessionmaker(engine)();
  await assertRejects(() => db.execute("select 1").then(() => {}));
  await db.close();
  await engine.idle();
  assertEquals(spans.tree(), [
    "database session !CONNECT_FAILED",
    "  pool checkout !CONNECT_FAILED",
  ]);
});

spansTest("makes the spans that were asked for, and no other", async (bed) => {
  const { engine, Session, spans } = bed;
  await spans.inside(
    "work",
    () =>
      Session.begin((db) => db.insert(things).values({ n: 1 }).then(() => {})),
  );
  await engine.idle();
  assertEquals(spans.tree(), ["work", "  insert things", "  commit"]);
  assertEquals(
    spans.named("insert things")[0]?.attributes["db.query.text"],
    undefined,
  );
}, { spans: ["statement"], queryText: false });

Deno.test("instrument() refuses spans that there are not", async () => {
  await using engine = createEngine(postgres("postgres://u@127.0.0.1/d"));
  const wrong = { spans: ["query"] } as unknown as InstrumentOptions;
  let error: unknown;
  try {
    instrument(engine, wrong);
  } catch (thrown) {
    error = thrown;
  }
  assert(error instanceof RangeError);
});

Deno.test("instrument() tells nothing any more once it was stopped", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url));
  const spans = spanBed();
  const stop = instrument(engine);
  stop();
  stop();
  await sessionmaker(engine).begin((db) => db.execute("select 1"));
  await engine.idle();
  assertEquals(spans.tree(), []);
  assert(!engine.hears("statement"));
});

Deno.test("instrument() tells who borrows without a session", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url));
  const spans = spanBed();
  instrument(engine);
  await spans.inside("work", async () => {
    const connection = await engine.connect();
    await connection.send([
      { text: "select 1", params: [], rowMode: "object", access: "read" },
    ]);
    await connection.release({ discard: false });
  });
  // Two of them begin almost at once, side by side: their order tells nothing.
  assertEquals(spans.tree().toSorted(), [
    "  connect",
    "  pool checkout",
    "  select",
    "work",
  ]);
});
