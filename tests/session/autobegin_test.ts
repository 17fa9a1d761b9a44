import { assert, assertEquals, assertRejects } from "@std/assert";
import { mock } from "node:test";
import { sql } from "drizzle-orm";
import {
  ConnectionError,
  createEngine,
  DatabaseError,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { driverBeds } from "../support/drivers.ts";
import { testDatabase } from "../support/postgres.ts";
import { asleep, issue, sessionTest } from "./session_bed.ts";

async function codeOf(call: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(call, StateError)).code;
}

Deno.test("Session autobegin: false asks for begin() before each transaction", async () => {
  const driver = recordingDriver();
  await using db = sessionmaker(createEngine(driver))({ autobegin: false });
  for (
    const call of [
      () => issue(db, "select 1"),
      () => db.beginNested(),
      () => db.connection(),
    ]
  ) {
    assertEquals(await codeOf(call), "NO_TRANSACTION");
  }
  // A block that is a transaction of its own says so itself.
  await db.transaction((tx) => tx.execute("select 2"));
  await db.begin();
  await issue(db, "select 3");
  await db.commit();
  assertEquals(await codeOf(() => issue(db, "select 4")), "NO_TRANSACTION");
  await db.begin((own) => issue(own, "select 5"));
  await db.rollback();
  assertEquals(
    driver.log.filter((entry) => entry.startsWith("begin")).map((entry) =>
      entry.slice(-8)
    ),
    ["select 2", "select 3", "select 5"],
  );
});

sessionTest(
  "invalidate() throws the connection away without a word",
  async (bed) => {
    const { db, engine, database } = bed;
    await issue(db, "insert into notes values (1)");
    await db.invalidate();
    assertEquals(db.state, "closed");
    await engine.idle();
    await database.waitFor(async () => await database.connections() === 0);
    assertEquals(await database.query("select * from notes"), []);
    assertEquals((await bed.sent()).at(-1), "insert into notes values (1)");
  },
);

sessionTest("invalidate() waits for no statement", async (bed) => {
  const { Session, engine, database } = bed;
  // Its timer would be a real one among those of the test.
  const db = Session({ transaction: { statementTimeout: 0 } });
  const lost = assertRejects(
    () => issue(db, "select pg_sleep(60)"),
    ConnectionError,
  );
  await asleep(database);
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    // No deadline passes here.
    await db.invalidate();
  } finally {
    mock.timers.reset();
  }
  await lost;
  assertEquals(db.state, "closed");
  assertEquals(engine.status().checkedOut, 0);
});

for (const [name, makeBed] of Object.entries(driverBeds)) {
  Deno.test(`autocommit over ${name}`, async (t) => {
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver);
    const Session = sessionmaker(
      engine.with({ transaction: { isolationLevel: "autocommit" } }),
    );

    await t.step("runs what no transaction allows", async () => {
      await using db = Session();
      await db.execute("create table t (id int primary key)");
      await db.execute("vacuum t");
    });

    await t.step("each statement stands for itself", async () => {
      await using db = Session();
      const outcomes = await Promise.allSettled([
        issue(db, "insert into t values (1)"),
        issue(db, "insert into t values (1)"),
        issue(db, "insert into t values (2)"),
      ]);
      assertEquals(outcomes.map(({ status }) => status), [
        "fulfilled",
        "rejected",
        "fulfilled",
      ]);
      assert(db.isActive);
      await db.rollback();
      await db.commit();
      const { rows } = await db.execute("select id from t order by id");
      assertEquals(rows, [{ id: 1 }, { id: 2 }]);
    });

    await t.step("has no savepoints, and begins nothing by SQL", async () => {
      await using db = Session();
      assertEquals(await codeOf(() => db.beginNested()), "NO_TRANSACTION");
      assertEquals(
        await codeOf(() => db.transaction(() => Promise.resolve())),
        "NO_TRANSACTION",
      );
      assertEquals(await codeOf(() => issue(db, "begin")), "TRANSACTION_OPEN");
      assertEquals(
        await codeOf(() => db.stream(sql`select 1`).next()),
        "NO_TRANSACTION",
      );
      // With a level of its own a block is a transaction again.
      await assertRejects(() =>
        db.transaction(async (tx) => {
          await tx.execute("insert into t values (3)");
          throw new Error("of the user");
        }, { isolationLevel: "read committed" })
      );
      assertEquals(
        (await db.execute("select id from t where id = 3")).rows,
        [],
      );
    });
  });
}

Deno.test("autocommit does not begin where a savepoint is open", async () => {
  await using db = sessionmaker(createEngine(recordingDriver()))();
  await db.beginNested();
  const begin = () => db.begin({ isolationLevel: "autocommit" });
  assertEquals(await codeOf(begin), "TRANSACTION_OPEN");
});

Deno.test("autocommit cannot carry settings that end with a transaction", async () => {
  const driver = recordingDriver();
  const autocommit = { isolationLevel: "autocommit" } as const;
  const engine = createEngine(driver, { settings: { timezone: "UTC" } })
    .with({ transaction: autocommit });
  await using db = sessionmaker(engine)();
  assertEquals(await codeOf(() => issue(db, "select 1")), "NO_TRANSACTION");
  await using hooked = sessionmaker(createEngine(driver), {
    transaction: autocommit,
    hooks: { afterBegin: () => ({ "app.user": "7" }) },
  })();
  assertEquals(await codeOf(() => issue(hooked, "select 1")), "NO_TRANSACTION");
  assert(!driver.log.includes("select 1"));
});

Deno.test("Engine.with() shares the pool, and options narrow from engine to begin()", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url), {
    transaction: { isolationLevel: "repeatable read" },
    settings: { timezone: "UTC" },
  });
  const reader = engine.with({
    transaction: { readOnly: true },
    settings: { "app.role": "reader" },
  });
  assertEquals(reader.status(), engine.status());
  const Session = sessionmaker(reader, { transaction: { deferrable: true } });
  await using db = Session({ transaction: { isolationLevel: "serializable" } });
  const { rows } = await db.execute(
    "select current_setting('app.role') as role, current_setting('timezone') as zone",
  );
  assertEquals(rows, [{ role: "reader", zone: "UTC" }]);
  await assertRejects(() => issue(db, "create table t ()"), DatabaseError);
  await db.rollback();
  await db.begin({ deferrable: false, isolationLevel: "read committed" });
  await db.execute("select 2 as two");
  assertEquals(engine.status().checkedOut, 1);
  await db.commit();
  assertEquals(
    (await database.log()).filter((text) => text.startsWith("begin")),
    [
      "begin isolation level serializable read only deferrable",
      "begin isolation level read committed read only not deferrable",
    ],
  );
});
