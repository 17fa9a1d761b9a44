import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { sql } from "drizzle-orm";
import {
  ConnectionError,
  createEngine,
  type EngineEvent,
  PoolError,
  QueuePool,
  sessionmaker,
  StaticPool,
} from "../../mod.ts";
import { command } from "../../src/driver/statement.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { sendingBy } from "../support/sending_by.ts";

const TYPES = [
  "connect",
  "checkout",
  "begin",
  "statement",
  "commit",
  "rollback",
  "checkin",
  "close",
] as const;

Deno.test("Engine tells what happens, in order", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url));
  const events: EngineEvent[] = [];
  const stops = TYPES.map((type) => engine.on(type, (e) => events.push(e)));
  const Session = sessionmaker(engine);
  await Session.begin((db) => db.execute("select 1 as one"));
  await engine.idle();
  assertEquals(events.map(({ type }) => type), [
    "connect",
    "checkout",
    "begin",
    "statement",
    "commit",
    "close",
    "checkin",
  ]);
  events.length = 0;
  for (const stop of stops) stop();
  await Session.begin((db) => db.execute("select 1 as one"));
  assertEquals(events, []);
});

Deno.test("Engine tells of a statement's rows, time and error, never of its parameters", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url));
  const events: EngineEvent[] = [];
  for (const type of TYPES) engine.on(type, (event) => events.push(event));
  await using db = sessionmaker(engine)();
  await db.begin({ readOnly: true });
  const marker = "a value that nobody may see";
  await db.execute(sql`select ${marker}::text from generate_series(1, 3)`);
  await assertRejects(() =>
    db.execute(sql`select ${marker}::int`).then(() => {})
  );
  await db.rollback({ reason: "of the test" });
  const statements = events.filter((event) => event.type === "statement");
  assertEquals(
    statements.map(({ text, rowCount, error }) => [text, rowCount, error]),
    [
      ["select $1::text from generate_series(1, 3)", 3, undefined],
      ["select $1::int", null, "DATABASE_ERROR"],
    ],
  );
  assert(statements.every(({ duration }) => duration > 0));
  const [begin] = events.filter((event) => event.type === "begin");
  assertEquals(begin?.options, { readOnly: true });
  const [rollback] = events.filter((event) => event.type === "rollback");
  assertEquals(rollback?.reason, "of the test");
  assertEquals(rollback?.changes, 2);
  assertFalse(JSON.stringify(events).includes(marker));
});

Deno.test("Engine a listener that throws breaks nothing", async () => {
  const engine = createEngine(recordingDriver());
  const heard: unknown[] = [];
  engine.on("statement", () => {
    throw new Error("a listener's own");
  });
  engine.on("listenerError", ({ error }) => {
    heard.push(error);
    throw new Error("and again");
  });
  await sessionmaker(engine).begin((db) => db.execute("select 1"));
  assertEquals(heard.map(String), ["Error: a listener's own"]);
});

Deno.test("Engine.dispose() lends nothing more and ends the driver", async () => {
  let ended = 0;
  const engine = createEngine({
    ...recordingDriver(),
    dispose: () => Promise.resolve(void ended++),
  });
  const Session = sessionmaker(engine);
  await Session.begin((db) => db.execute("select 1"));
  await engine.dispose();
  assertEquals(ended, 1);
  const error = await assertRejects(
    () => Session.begin((db) => db.execute("select 1")),
    PoolError,
  );
  assertEquals(error.code, "POOL_DISPOSED");
});

Deno.test("Engine.connect() is given back exactly once", async () => {
  const driver = recordingDriver();
  const engine = createEngine(driver);
  const connection = await engine.connect();
  await Promise.all([
    connection.release({ discard: false }),
    connection.release({ discard: true }),
  ]);
  assertEquals(driver.log, ["connect", "close"]);
  assertFalse(connection.usable);
});

Deno.test("Engine.connect() what was given back sends nothing any more", async () => {
  const driver = recordingDriver();
  const engine = createEngine(driver, {
    pool: (driver) => new QueuePool(driver),
  });
  const late = await engine.connect();
  await late.release({ discard: false });
  await using db = sessionmaker(engine)();
  await db.execute("select 1");
  const { results, failure } = await late.send([command("drop table t")]);
  assertEquals([results, failure?.code], [[], "TRANSACTION_ENDED"]);
  assertFalse(driver.log.includes("drop table t"));
  await db.close();
  await engine.dispose();
});

Deno.test("Engine.connect() a transaction that was not ended is rolled back", async () => {
  await using database = await testDatabase({
    setup: "create table t (n int)",
  });
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) => new QueuePool(driver, { poolSize: 1, maxOverflow: 0 }),
  });
  const cases: [readonly string[], boolean][] = [
    [["begin"], true],
    [["start transaction"], true],
    [["begin", "savepoint a", "rollback to a"], true],
    [["begin", "commit and chain"], true],
    [["begin", "commit"], false],
    [["begin", "abort"], false],
    [[], false],
  ];
  const expected: string[] = [];
  for (const [texts, isOpen] of cases) {
    const connection = await engine.connect();
    const all = [...texts, "insert into t values (1)"];
    const { failure } = await connection.send(all.map((text) => command(text)));
    assertEquals(failure, undefined);
    await connection.release({ discard: false });
    expected.push(...all, ...(isOpen ? ["rollback"] : []));
  }
  assertEquals(await database.openTransactions(), 0);
  assertEquals(await database.log(), expected);
  assertEquals(await database.query("select count(*)::int as n from t"), [
    { n: cases.filter(([, isOpen]) => !isOpen).length },
  ]);
});

Deno.test("Engine.connect() gives up when told", async () => {
  const engine = createEngine(recordingDriver(), {
    pool: (driver) => new StaticPool(driver),
  });
  const held = await engine.connect();
  const abort = new AbortController();
  const waiting = engine.connect({ signal: abort.signal });
  abort.abort(new Error("gone"));
  assert(await waiting.catch((error) => error) === abort.signal.reason);
  await held.release({ discard: false });
});

Deno.test("createEngine() refuses bad options by name", () => {
  const driver = recordingDriver();
  // @ts-expect-error: the type refuses it as well
  assertThrows(() => createEngine("url"), TypeError, "neon(url)");
  assertThrows(
    // @ts-expect-error: the type refuses it as well
    () => createEngine(driver, { mode: "debug" }),
    RangeError,
    '"mode"',
  );
  assertThrows(
    // @ts-expect-error: the type refuses it as well
    () => createEngine(driver, { settings: { timezone: 1 } }),
    TypeError,
    '"timezone"',
  );
  assertThrows(
    // @ts-expect-error: the type refuses it as well
    () => createEngine(driver, { pool: () => ({}) }),
    TypeError,
    '"pool"',
  );
  assertThrows(
    // @ts-expect-error: the type refuses it as well
    () => createEngine(driver, { transaction: { isolationLevel: "high" } }),
    RangeError,
    "isolationLevel",
  );
  // @ts-expect-error: the type refuses it as well
  assertThrows(() => sessionmaker({}), TypeError, "createEngine()");
});

Deno.test("Engine a driver that rejects is a lost connection", async () => {
  const driver = recordingDriver();
  let healthy = true;
  const engine = createEngine(
    sendingBy(
      driver,
      (connection, statements) =>
        healthy
          ? connection.send(statements)
          : Promise.reject(new Error("a driver's own bug")),
    ),
  );
  const discards: boolean[] = [];
  engine.on("checkin", ({ discarded }) => discards.push(discarded));
  await using db = sessionmaker(engine)();
  await db.execute("select 1");
  healthy = false;
  const error = await assertRejects(
    () => db.execute("select 2"),
    ConnectionError,
  );
  assertEquals(error.code, "CONNECTION_LOST");
  await db.rollback();
  assertEquals(driver.log.at(-1), "close");
  healthy = true;
  await db.execute("select 3");
  await db.commit();
  assertEquals(discards, [true, false]);
});
