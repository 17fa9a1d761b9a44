import { assert, assertEquals, assertRejects } from "@std/assert";
import { integer, pgTable } from "drizzle-orm/pg-core";
import {
  createEngine,
  IntegrityError,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { withRollback } from "../../src/testing/mod.ts";
import { driverBeds } from "../support/drivers.ts";
import { testDatabase } from "../support/postgres.ts";

/** Code of an application: it commits and rolls back as it likes. */
async function application(Session: Sessionmaker): Promise<void> {
  await Session.begin((db) => db.execute("insert into t values (1)"));
  await assertRejects(
    () => Session.begin((db) => db.execute("insert into t values (1)")),
    IntegrityError,
  );
  await using db = Session();
  await db.execute("insert into t values (2)");
  await db.transaction((tx) => tx.execute("insert into t values (3)"));
  await db.commit();
  await db.execute("insert into t values (4)");
  await db.rollback();
  await db.begin(() => db.execute("insert into t values (5)"), {
    isolationLevel: "serializable",
  });
  // What needs no connection elsewhere has to be in this one's transaction.
  db.add(t, { id: 10 });
  await db.commit();
  const [ten, all] = await Promise.all([
    db.get(t, 10),
    db.select().from(t).orderBy(t.id),
  ]);
  assertEquals([ten?.id, all.map(({ id }) => id)], [10, [1, 2, 3, 5, 10]]);
}

const t = pgTable("t", { id: integer().primaryKey() });

for (const [name, makeBed] of Object.entries(driverBeds)) {
  Deno.test(`withRollback() over ${name} leaves nothing`, async () => {
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver);
    const Session = sessionmaker(engine);
    await Session.begin((db) =>
      db.execute("create table t (id int primary key)")
    );
    const ids = async (maker: Sessionmaker) => {
      await using db = maker();
      const { rows } = await db.execute("select id from t order by id");
      return rows.map((row) => row.id);
    };

    const result = await withRollback(Session, async (db, Inner) => {
      await application(Inner);
      assertEquals(await ids(Inner), [1, 2, 3, 5, 10]);
      await db.execute("insert into t values (6)");
      await db.commit();
      assertEquals(await ids(Inner), [1, 2, 3, 5, 6, 10]);
      return "done";
    });
    assertEquals(result, "done");
    assertEquals(await ids(Session), []);

    const thrown = new Error("the test failed");
    const caught = await withRollback(Session, async (db) => {
      await db.execute("insert into t values (7)");
      throw thrown;
    }).catch((error) => error);
    assert(caught === thrown);
    assertEquals(await ids(Session), []);
    await engine.idle();
    assertEquals(engine.status().checkedOut, 0);
    await bed.database?.waitFor(async () =>
      await bed.database?.connections() === 0
    );
  });
}

Deno.test("withRollback() runs side by side", async () => {
  const makeBed = driverBeds.postgres;
  assert(makeBed);
  await using bed = await makeBed();
  await using engine = createEngine(bed.driver);
  const Session = sessionmaker(engine);
  await Session.begin((db) => db.execute("create table t (id int)"));
  const counts = await Promise.all(
    Array.from(
      { length: 5 },
      (_, n) =>
        withRollback(Session, async (db, Inner) => {
          await Inner.begin((own) =>
            own.execute(`insert into t values (${n})`)
          );
          const { rows } = await db.execute("select id from t");
          return rows;
        }),
    ),
  );
  assertEquals(counts, Array.from({ length: 5 }, (_, n) => [{ id: n }]));
});

Deno.test("withRollback() makes a savepoint of each transaction, on one connection", async () => {
  await using database = await testDatabase({
    setup: "create table t (id int primary key)",
  });
  await using engine = createEngine(postgres(database.url));
  await withRollback(sessionmaker(engine), async (db, Session) => {
    await Session.begin((own) => own.execute("insert into t values (1)"));
    await assertRejects(
      () => Session.begin((own) => own.execute("insert into t values (1)")),
      IntegrityError,
    );
    await db.execute("insert into t values (2)");
    await db.transaction((tx) => tx.execute("insert into t values (3)"));
    await db.rollback();
    await db.execute("select id from t");
    await db.commit();
  });
  const statements = await database.statements();
  assertEquals(statements.map(({ sql }) => sql), [
    "begin isolation level read committed",
    "savepoint nullpool_test_1",
    "insert into t values (1)",
    "release savepoint nullpool_test_1",
    "savepoint nullpool_test_2",
    "insert into t values (1)",
    "rollback to savepoint nullpool_test_2",
    "savepoint nullpool_test_3",
    "insert into t values (2)",
    "savepoint nullpool_1",
    "insert into t values (3)",
    // Nobody waits for its RELEASE, and the rollback makes it needless.
    "rollback to savepoint nullpool_test_3",
    "savepoint nullpool_test_4",
    "select id from t",
    "release savepoint nullpool_test_4",
    "rollback",
  ]);
  // What was given is not the sessions' to close.
  assertEquals(new Set(statements.map(({ backend }) => backend)).size, 1);
  assertEquals(await database.query("select * from t"), []);
});
