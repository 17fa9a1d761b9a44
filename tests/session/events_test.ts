import { assert, assertEquals, assertRejects } from "@std/assert";
import { sql } from "drizzle-orm";
import { integer, pgTable, serial } from "drizzle-orm/pg-core";
import {
  createEngine,
  type Engine,
  type EngineEvent,
  PoolError,
  QueuePool,
  sessionmaker,
} from "../../mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { neonHttp } from "../../src/neon/mod.ts";
import { EVENT_TYPES } from "../support/event_types.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { testDatabase } from "../support/postgres.ts";

const things = pgTable("things", {
  id: serial().primaryKey(),
  n: integer().notNull(),
});
const setup = "create table things (id serial primary key, n int not null)";

function hear(engine: Engine): EngineEvent[] {
  const events: EngineEvent[] = [];
  for (const type of EVENT_TYPES) {
    engine.on(type, (event) => events.push(event));
  }
  return events;
}

function nameOf(event: EngineEvent): string {
  switch (event.type) {
    case "statement":
      return event.text.split(" ", 1).join("");
    case "savepoint":
      return `${event.type} ${event.action}`;
    default:
      return event.type;
  }
}

Deno.test("events: a session's are told in order, from its making to its end", async () => {
  await using database = await testDatabase({ setup });
  await using engine = createEngine(postgres(database.url));
  const events = hear(engine);
  const Session = sessionmaker(engine, { schema: { things } });
  const db = Session({ name: "the work" });
  await db.select().from(things);
  db.add(things, { n: 1 });
  await db.flush();
  await db.transaction((tx) => tx.insert(things).values({ n: 2 }));
  await db.commit();
  await db.close();
  await db.closed;
  assertEquals(events.map(nameOf), [
    "sessionOpen",
    "connect",
    "checkout",
    "select",
    "flight",
    "begin",
    "with",
    "flush",
    "flight",
    "savepoint begin",
    "insert",
    "flight",
    "savepoint release",
    "commit",
    "close",
    "checkin",
    "sessionClose",
  ]);
  const holders = new Set(
    events.flatMap((event) => "session" in event ? [event.session] : []),
  );
  assertEquals([...holders], [db.holder]);
  for (const event of events) {
    if ("duration" in event) assert(event.duration > 0, nameOf(event));
  }
});

Deno.test("events: those of sessions that run together are told apart", async () => {
  await using database = await testDatabase({ setup });
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) => new QueuePool(driver, { poolSize: 2, maxOverflow: 0 }),
  });
  const events = hear(engine);
  const Session = sessionmaker(engine);
  await Promise.all([1, 2, 3, 4, 5].map(async (n) => {
    await using db = Session({ name: `number ${n}` });
    await db.execute(sql`insert into things (n) values (${n})`);
    await db.commit();
  }));
  await engine.idle();
  for (const n of [1, 2, 3, 4, 5]) {
    const own = events.filter((event) =>
      "session" in event && event.session?.name === `number ${n}` &&
      event.type !== "connect"
    );
    assertEquals(own.map(nameOf), [
      "sessionOpen",
      "checkout",
      "begin",
      "insert",
      "flight",
      "commit",
      "checkin",
      "sessionClose",
    ]);
  }
  assertEquals(events.filter(({ type }) => type === "connect").length, 2);
});

Deno.test("events: a rollback that sends nothing takes no time", async () => {
  await using database = await testDatabase({ setup });
  await using engine = createEngine(postgres(database.url));
  const events = hear(engine);
  const Session = sessionmaker(engine);
  await using reader = Session();
  await reader.select().from(things);
  await reader.rollback();
  await using writer = Session();
  await writer.insert(things).values({ n: 1 });
  await writer.rollback();
  const told = events.filter((event) => event.type === "rollback");
  assertEquals(told.map(({ duration }) => duration > 0), [false, true]);
});

Deno.test("events: who gets no connection is told, with how long it waited", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) =>
      new QueuePool(driver, { poolSize: 1, maxOverflow: 0, timeout: 50 }),
  });
  const events = hear(engine);
  const Session = sessionmaker(engine);
  await using holder = Session();
  await holder.execute("select 1");
  await using late = Session({ name: "late" });
  await assertRejects(() => late.execute("select 1").then(() => {}), PoolError);
  const [told] = events.filter((event) => event.type === "checkoutError");
  assertEquals(told?.error, "POOL_TIMEOUT");
  assertEquals(told?.session?.name, "late");
  assert((told?.duration ?? 0) >= 49);
});

Deno.test("events: parameters are part of one where they were asked for", async () => {
  await using database = await testDatabase();
  for (const exposeParameters of [false, true]) {
    await using engine = createEngine(postgres(database.url), {
      mode: "development",
      exposeParameters,
    });
    const events = hear(engine);
    await sessionmaker(engine).begin((db) =>
      db.execute(sql`select ${"a value"}::text`)
    );
    const [statement] = events.filter((event) => event.type === "statement");
    assertEquals(
      statement?.parameters,
      exposeParameters ? ["a value"] : undefined,
    );
    assertEquals(
      JSON.stringify(events).includes("a value"),
      exposeParameters,
    );
  }
});

Deno.test("events: statements say why they failed, and with whom they travelled", async () => {
  await using database = await testDatabase({ setup });
  await using engine = createEngine(postgres(database.url), {
    settings: { "app.tenant": "7" },
  });
  const events = hear(engine);
  const Session = sessionmaker(engine);
  const db = Session();
  await Promise.allSettled([
    db.execute(sql`select 1`).then(() => {}),
    db.execute(sql`select 1 / ${0}::int`).then(() => {}),
    db.execute(sql`select 3`).then(() => {}),
  ]);
  await db.close();
  await engine.idle();
  const statements = events.filter((event) => event.type === "statement");
  assertEquals(
    statements.map(({ error, sqlstate, isOwn, flightSize, isLast }) => [
      error,
      sqlstate,
      isOwn,
      flightSize,
      isLast,
    ]),
    [
      [undefined, undefined, true, 3, false],
      [undefined, undefined, false, 3, false],
      ["DATABASE_ERROR", "22012", false, 3, true],
    ],
  );
  const { port, pathname } = new URL(database.url);
  assertEquals(statements[0]?.address, {
    host: "127.0.0.1",
    port: Number(port),
    database: pathname.slice(1),
  });
  const [close] = events.filter((event) => event.type === "sessionClose");
  assertEquals([close?.statements, close?.roundTrips], [3, 2]);
});

Deno.test("events: COMMIT says what travelled with it, ROLLBACK whether it was sent", async () => {
  await using database = await testDatabase({ setup });
  await using engine = createEngine(postgres(database.url));
  const events = hear(engine);
  const Session = sessionmaker(engine, { schema: { things } });
  await Session.begin((db) => db.insert(things).values({ n: 1 }));
  await Session.begin((db) => {
    db.add(things, { n: 2 });
    return Promise.resolve();
  });
  const db = Session();
  await db.insert(things).values({ n: 3 });
  await db.rollback();
  db.add(things, { n: 4 });
  await db.close();
  await engine.idle();
  assertEquals(
    events.flatMap((event) => event.type === "commit" ? event.statements : []),
    [0, 1],
  );
  assertEquals(
    events.flatMap((event) =>
      event.type === "rollback" ? event.duration > 0 : []
    ),
    [true, false],
  );
  for (const event of events) {
    if (event.type === "checkin") assert(event.held > 0);
  }
});

Deno.test("events: of a request that fails as a whole each statement is told", async () => {
  await using database = await testDatabase({ setup });
  const server = await serveNeon({ backend: database.url, port: 0 });
  try {
    await using engine = createEngine(neonHttp(server.url));
    const events = hear(engine);
    const Session = sessionmaker(engine, { schema: { things } });
    await Session.begin((db) => {
      db.add(things, { n: 1 });
      return Promise.resolve();
    });
    assertEquals(events.map(nameOf), [
      "sessionOpen",
      "begin",
      "with",
      "commit",
      "flush",
      "flight",
      "sessionClose",
    ]);
    events.length = 0;
    const db = Session();
    void db.enqueue(db.insert(things).values({ id: 1, n: 1 })).catch(() => {});
    void db.enqueue(db.update(things).set({ n: 2 })).catch(() => {});
    await assertRejects(() => db.commit());
    await db.close();
    assertEquals(
      events.flatMap((event) =>
        event.type === "statement"
          ? [[nameOf(event), event.sqlstate, event.isLast]]
          : []
      ),
      [["insert", "23505", false], ["update", "23505", true]],
    );
  } finally {
    await server.close();
    await server.idle();
  }
});

Deno.test("events: COMMIT in one request takes its time alone, not that of what is asked behind it", async () => {
  await using database = await testDatabase({ setup });
  const endpoint = await serveNeon({ backend: database.url, port: 0 });
  try {
    await using engine = createEngine(neonHttp(endpoint.url));
    const events = hear(engine);
    const Session = sessionmaker(engine, { schema: { things } });
    await using db = Session({ readYourWrites: true });
    db.add(things, { n: 1 });
    await db.commit();
    assert(db.bookmark !== undefined);
    const times = events.flatMap((event) =>
      event.type === "begin" || event.type === "commit" ? event.duration : []
    );
    assertEquals(times.length, 2);
    assertEquals(times[0], times[1]);
  } finally {
    await endpoint.close();
    await endpoint.idle();
  }
});

Deno.test("events: a transaction whose settings are refused ends where it has begun", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url));
  const events = hear(engine);
  const Session = sessionmaker(engine, { roles: ["no_such_role"] });
  await using db = Session({ claims: { sub: "u-7" } });
  for (let run = 0; run < 2; run++) {
    await assertRejects(() => db.execute("select 1").then(() => {}));
  }
  await db.close();
  await engine.idle();
  const ends = events.map(({ type }) => type).filter((type) =>
    type === "begin" || type === "rollback" || type === "commit"
  );
  assertEquals(ends, ["begin", "rollback", "begin", "rollback"]);
});
