import { assert, assertEquals, assertRejects } from "@std/assert";
import { sql } from "drizzle-orm";
import { integer, pgTable } from "drizzle-orm/pg-core";
import {
  ConnectionError,
  createEngine,
  DatabaseError,
  IntegrityError,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import { command } from "../../src/driver/statement.ts";
import { pglite } from "../../src/pglite/mod.ts";
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
    "release savepoint nullpool_test_2",
    "savepoint nullpool_test_3",
    "insert into t values (2)",
    "savepoint nullpool_1",
    "insert into t values (3)",
    // Nobody waits for its RELEASE, and the rollback makes it needless.
    "rollback to savepoint nullpool_test_3",
    "release savepoint nullpool_test_3",
    "savepoint nullpool_test_4",
    "select id from t",
    "release savepoint nullpool_test_4",
    "rollback",
  ]);
  // What was given is not the sessions' to close.
  assertEquals(new Set(statements.map(({ backend }) => backend)).size, 1);
  assertEquals(await database.query("select * from t"), []);
});

Deno.test("withRollback() goes on behind a flight that failed, its COMMIT in it", async () => {
  await using database = await testDatabase({
    setup: "create table t (id int primary key)",
  });
  await using engine = createEngine(postgres(database.url));
  await withRollback(sessionmaker(engine), async (db, Session) => {
    await Session.begin((own) => own.execute("insert into t values (1)"));
    for (let run = 0; run < 2; run++) {
      await using reader = Session();
      const bad = sql<number>`1 / (${t.id} - 1)`;
      await assertRejects(() => reader.select({ bad }).from(t), DatabaseError);
      await using writer = Session();
      writer.add(t, { id: 1 });
      await assertRejects(() => writer.commit(), IntegrityError);
    }
    assertEquals(await db.$count(t), 1);
  });
});

Deno.test("withRollback() ends the claims of a session whose work was one flight", async () => {
  await using database = await testDatabase({
    setup: "create table t (id int primary key)",
  });
  await using engine = createEngine(postgres(database.url));
  await withRollback(
    sessionmaker(engine, { roles: [] }),
    async (db, Session) => {
      const User = Session.with({ claims: { sub: "u-7" } });
      const claims = async () => {
        const { rows } = await db.execute(
          "select current_setting('request.jwt.claims', true) as claims",
        );
        await db.rollback();
        return rows[0]?.claims;
      };
      await using reader = User();
      await reader.select().from(t);
      assertEquals(await claims(), "");
      await using writer = User();
      writer.add(t, { id: 1 });
      await writer.commit();
      assertEquals(await claims(), "");
    },
  );
});

Deno.test("withRollback() lets nobody in between a session's claims and its work", async () => {
  await using engine = createEngine(pglite());
  const Session = sessionmaker(engine, { roles: [] });
  await Session.begin((db) => db.execute("create table t (id int)"));
  const User = Session.with({ claims: { sub: "u-7" } });
  for (let late = 0; late < 30; late++) {
    await withRollback(User, async (db, Inner) => {
      db.enqueue(db.insert(t).values({ id: 1 }));
      const committing = db.commit();
      for (let tick = 0; tick < late; tick++) await undefined;
      await assertRejects(() =>
        Inner.begin(async (own) => {
          await own.insert(t).values({ id: 2 });
          await new Promise((resolve) => setTimeout(resolve, 2));
          throw new RangeError("undo it");
        }), RangeError);
      await committing;
      assertEquals(await db.select().from(t), [{ id: 1 }]);
    });
  }
});

Deno.test("withRollback() commits nothing of a connection without a session", async () => {
  await using database = await testDatabase({
    setup: "create table t (id int primary key)",
  });
  await using engine = createEngine(postgres(database.url));
  const ids = await withRollback(sessionmaker(engine), async (db, Session) => {
    const connection = await Session.engine.connect();
    const flights = [
      ["rollback"],
      ["begin", "insert into t values (1)"],
      ["commit"],
      ["start transaction", "insert into t values (2)"],
      ["rollback"],
      ["insert into t values (3)"],
    ];
    for (const texts of flights) {
      const { failure, results } = await connection.send(
        texts.map((text) => command(text)),
      );
      assertEquals([failure, results.length], [undefined, texts.length]);
    }
    await connection.release({ discard: false });
    const { rows } = await db.execute("select id from t order by id");
    return rows.map(({ id }) => id);
  });
  assertEquals(ids, [1, 3]);
  assertEquals(await database.query("select * from t"), []);
});

Deno.test("withRollback() follows transactions that begin and end inside a flight", async () => {
  await using database = await testDatabase({
    setup: "create table t (id int primary key)",
  });
  await using engine = createEngine(postgres(database.url));
  const insert = (id: number) => `insert into t values (${id})`;
  const ids = await withRollback(sessionmaker(engine), async (db, Session) => {
    const connection = await Session.engine.connect();
    const flights = [
      ["rollback", "begin", insert(1), "commit", "commit"],
      [insert(2), "begin", insert(3), "commit", insert(4)],
      ["begin", insert(5)],
      ["-- undo\nrollback"],
      ["begin", insert(6), "begin", insert(7), "rollback"],
    ];
    for (const texts of flights) {
      const { failure, results } = await connection.send(
        texts.map((text) => command(text)),
      );
      assertEquals([failure, results.length], [undefined, texts.length]);
    }
    const { failure, results } = await connection.send(
      ["begin", insert(8), "commit", "select 1 / 0"].map((sql) => command(sql)),
    );
    assertEquals([failure?.code, results.length], ["DATABASE_ERROR", 3]);
    await connection.release({ discard: false });
    const { rows } = await db.execute("select id from t order by id");
    return rows.map(({ id }) => id);
  });
  assertEquals(ids, [1, 2, 3, 4, 8]);
  assertEquals(await database.query("select * from t"), []);
});

Deno.test("withRollback() inside another one undoes all of its own", async () => {
  await using database = await testDatabase({
    setup: "create table t (id int primary key)",
  });
  await using engine = createEngine(postgres(database.url));
  await withRollback(sessionmaker(engine), async (db, Outer) => {
    await Outer.begin((own) => own.execute("insert into t values (1)"));
    await withRollback(Outer, async (_, Inner) => {
      await Inner.begin((own) => own.execute("insert into t values (2)"));
      const undone = Inner.begin(async (own) => {
        await own.execute("insert into t values (3)");
        throw new RangeError("undo it");
      });
      await assertRejects(() => undone, RangeError);
    });
    assertEquals(await db.select().from(t), [{ id: 1 }]);
  });
});

Deno.test("withRollback() waits a while for a statement that was given up", async () => {
  await using database = await testDatabase({});
  await using engine = createEngine(postgres(database.url));
  const error = await withRollback(
    sessionmaker(engine),
    async (_, Session) => {
      const options = { statementTimeout: 50 };
      const sleep = () =>
        Session.begin((own) => own.execute("select pg_sleep(60)"), options);
      await assertRejects(sleep, ConnectionError, "no answer for 50 ms");
      return await assertRejects(
        () => Session.begin((own) => own.execute("select 1")),
        ConnectionError,
        "was given up and has not ended",
      );
    },
  );
  assertEquals(error.code, "CONNECTION_LOST");
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("withRollback() sends nothing that was given up before its turn", async () => {
  await using database = await testDatabase({
    setup: "create table t (id int primary key)",
  });
  await using engine = createEngine(postgres(database.url));
  await withRollback(sessionmaker(engine), async (db, Session) => {
    await db.execute("insert into t values (1)");
    await using inner = Session();
    await inner.execute("insert into t values (2)");
    // It waits for the one that is inside of it.
    const late = db.execute("insert into t values (3)");
    await assertRejects(
      () => db.within(late, { timeout: 50 }),
      ConnectionError,
      "no answer for 50 ms",
    );
    await inner.commit();
    assertEquals(await db.rollback(), undefined);
    assertEquals(await db.$count(t), 0);
  });
  const sent = (await database.statements()).map(({ sql }) => sql);
  assertEquals(sent.filter((text) => text.endsWith("(3)")), []);
});
