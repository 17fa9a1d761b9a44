import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import { integer, pgTable } from "drizzle-orm/pg-core";
import {
  AssertionPool,
  CommitOutcomeError,
  ConnectionError,
  createEngine,
  DatabaseError,
  IntegrityError,
  NullPool,
  NullpoolError,
  type PoolFactory,
  QueuePool,
  sessionmaker,
  StateError,
  StaticPool,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { sendingBy } from "../support/sending_by.ts";
import { BEGIN, issue, sessionTest, turns } from "./session_bed.ts";

Deno.test("a commit that only sends what waits gives the connection back", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id int); insert into notes values (0)",
  });
  const notes = pgTable("notes", { id: integer() });
  const pools: Record<string, PoolFactory> = {
    NullPool: (driver) => new NullPool(driver),
    QueuePool: (driver) => new QueuePool(driver),
  };
  const lent: string[] = [];
  for (const [name, pool] of Object.entries(pools)) {
    for (const isolationLevel of ["read committed", "autocommit"] as const) {
      for (const isRead of [true, false]) {
        await using engine = createEngine(postgres(database.url), { pool });
        const Session = sessionmaker(engine, {
          transaction: { isolationLevel },
        });
        const db = Session();
        const answer = isRead
          ? db.enqueue(db.select().from(notes))
          : db.enqueue(db.insert(notes).values({ id: 1 }).returning());
        await db.commit();
        assert((await answer).length > 0, name);
        await db.close();
        const { checkedOut } = engine.status();
        const what = isRead ? "a read" : "a write";
        if (checkedOut > 0) lent.push(`${name}, ${isolationLevel}, ${what}`);
        await engine.idle();
      }
    }
  }
  assertEquals(lent, []);
  await database.waitFor(async () => await database.connections() === 0);
});

sessionTest("sends nothing before need", async ({ database, db, sent }) => {
  await db.begin();
  const nested = await db.beginNested();
  await db.beginNested(() => Promise.resolve());
  await nested.commit();
  await db.commit();
  await db.begin(() => Promise.resolve());
  await db.rollback();
  assertEquals(await database.connections(), 0);
  await db.close();
  assertEquals(await sent(), []);
});

sessionTest("sends BEGIN with the first statement", async ({ db, sent }) => {
  await db.execute("insert into notes values (1, 'a')");
  assertEquals(db.stats.roundTrips, 1);
  await db.execute("select 1");
  await db.commit();
  assertEquals(db.stats, {
    ...db.stats,
    statements: 2,
    roundTrips: 3,
    connections: 1,
  });
  assertEquals(await sent(), [
    BEGIN,
    "insert into notes values (1, 'a')",
    "select 1",
    "commit",
  ]);
});

sessionTest(
  "sends statements issued together in one flight, in order",
  async ({ db, sent }) => {
    const results = await Promise.all([
      db.execute("select 1 as n"),
      db.execute("select 2 as n"),
      db.execute("select 3 as n"),
    ]);
    assertEquals(results.map(({ rows }) => rows[0]), [
      { n: 1 },
      { n: 2 },
      { n: 3 },
    ]);
    assertEquals(db.stats.roundTrips, 1);
    await db.commit();
    assertEquals((await sent()).slice(1, 4), [
      "select 1 as n",
      "select 2 as n",
      "select 3 as n",
    ]);
  },
);

sessionTest("opens one connection per transaction", async (bed) => {
  const { db, engine, database } = bed;
  await db.execute("select 1");
  assertEquals(await database.connections(), 1);
  await db.commit();
  await engine.idle();
  await database.waitFor(async () => await database.connections() === 0);
  await db.execute("select 2");
  await db.rollback();
  assertEquals(db.stats.connections, 2);
});

sessionTest("rolls back what was not committed", async (bed) => {
  const { db, database } = bed;
  await db.execute("insert into notes values (1, 'a')");
  await db.close();
  assertEquals(await database.query("select * from notes"), []);
  assertEquals((await bed.sent()).at(-1), "rollback");
});

sessionTest("refuses everything after close, by name", async ({ db }) => {
  await db.close();
  await db.close();
  await db.closed;
  for (
    const call of [
      () => db.execute("select 1"),
      () => db.begin(),
      () => db.commit(),
      () => db.beginNested(),
      () => db.transaction(() => Promise.resolve()),
    ]
  ) {
    const error = await assertRejects(call, StateError);
    assertEquals(error.code, "SESSION_CLOSED");
    assert(error.message.includes("open another one"), error.message);
  }
  await db.rollback();
});

sessionTest("sends isolation and access in BEGIN itself", async (bed) => {
  const { db, sent } = bed;
  await db.begin(async () => {
    await db.execute("select 1");
  }, { isolationLevel: "serializable", readOnly: true, deferrable: true });
  assertEquals(
    (await sent())[0],
    [
      "begin isolation level serializable read only deferrable",
    ][0],
  );
  const error = await assertRejects(
    () =>
      db.begin(() => db.execute("insert into notes values (1, 'a')"), {
        readOnly: true,
      }),
    DatabaseError,
  );
  assertEquals(error.sqlstate, "25006");
});

sessionTest("refuses an isolation level that is none", async ({ db }) => {
  await assertRejects(
    // @ts-expect-error: the type refuses it as well
    () => db.begin({ isolationLevel: "serialisable" }),
    RangeError,
    "isolationLevel",
  );
});

sessionTest("begin(fn) commits at its end", async ({ database, db }) => {
  const result = await db.begin(async (same) => {
    assert(same === db);
    await db.execute("insert into notes values (1, 'a')");
    return 7;
  });
  assertEquals(result, 7);
  assertEquals(await database.query("select id from notes"), [{ id: 1 }]);
});

sessionTest("begin(fn) rolls back and rethrows", async ({ database, db }) => {
  const thrown = new Error("no");
  const caught = await assertRejects(() =>
    db.begin(async () => {
      await db.execute("insert into notes values (1, 'a')");
      throw thrown;
    })
  );
  assert(caught === thrown);
  assertEquals(await database.query("select * from notes"), []);
  assertEquals(db.state, "idle");
});

sessionTest("commit inside begin(fn) ends the block's work", async (bed) => {
  const { db, database } = bed;
  await db.begin(async () => {
    await db.execute("insert into notes values (1, 'a')");
    await db.commit();
    const error = await assertRejects(() => db.execute("select 1"), StateError);
    assertEquals(error.code, "TRANSACTION_ENDED");
  });
  assertEquals(await database.query("select id from notes"), [{ id: 1 }]);
  await db.execute("select 1");
});

sessionTest("begin() joins reads and refuses after writes", async (bed) => {
  const { Session, db, sent } = bed;
  await db.begin();
  const error = await assertRejects(() => db.begin(), StateError);
  assertEquals(error.code, "TRANSACTION_OPEN");
  await db.rollback();
  await db.execute("insert into notes values (2, 'b')");
  await assertRejects(() => db.begin(), StateError, "written");
  await db.rollback();
  assertEquals((await sent()).filter((text) => text === BEGIN).length, 1);
  await Session().close();
});

sessionTest(
  "a failed statement fails the transaction, and commit says why",
  async ({ db, database }) => {
    const outcomes = await Promise.allSettled([
      db.execute("insert into notes values (1, 'a')"),
      db.execute("select * from nowhere"),
      db.execute("insert into notes values (2, 'b')"),
    ]);
    assertEquals(outcomes.map(({ status }) => status), [
      "fulfilled",
      "rejected",
      "rejected",
    ]);
    const [, first, skipped] = outcomes;
    assert(first.status === "rejected" && skipped.status === "rejected");
    assertInstanceOf(first.reason, DatabaseError);
    assertEquals(first.reason.sqlstate, "42P01");
    assertEquals(skipped.reason.code, "TRANSACTION_FAILED");
    assert(skipped.reason.cause === first.reason);
    assertEquals(db.state, "failed");
    for (const call of [() => db.execute("select 1"), () => db.commit()]) {
      const error = await assertRejects(call, StateError);
      assertEquals(error.code, "TRANSACTION_FAILED");
      assert(error.cause === first.reason);
    }
    await db.rollback();
    assertEquals(await database.query("select * from notes"), []);
    await db.execute("insert into notes values (3, 'c')");
    await db.commit();
    assertEquals(await database.query("select id from notes"), [{ id: 3 }]);
  },
);

sessionTest(
  "a block that swallowed a failure does not end quietly",
  async (bed) => {
    const { db, database } = bed;
    const error = await assertRejects(() =>
      db.begin(async () => {
        await db.execute("insert into notes values (1, 'a')");
        await db.execute("select * from nowhere").catch(() => {});
      }), StateError);
    assertEquals(error.code, "TRANSACTION_FAILED");
    assertInstanceOf(error.cause, DatabaseError);
    assertEquals(await database.query("select * from notes"), []);
  },
);

sessionTest("COMMIT answered with ROLLBACK is an error", async (bed) => {
  // A driver that swallows failures, so that only the server knows of them.
  const driver = sendingBy(
    postgres(bed.database.url),
    async (connection, statements) => {
      const { results } = await connection.send(statements);
      const lost = { rows: [], command: "", rowCount: null, fields: [] };
      return { results: statements.map((_, at) => results[at] ?? lost) };
    },
  );
  await using engine = createEngine(driver);
  await using db = sessionmaker(engine)();
  await db.execute("insert into notes values (1, 'a')");
  await db.execute("select * from nowhere");
  const error = await assertRejects(() => db.commit(), DatabaseError);
  assertEquals(error.code, "COMMIT_ROLLED_BACK");
  assertEquals(db.state, "failed");
  await db.rollback();
  assertEquals(await bed.database.query("select * from notes"), []);
});

sessionTest(
  "a COMMIT that the server refuses needs a rollback",
  async (bed) => {
    const { database, db, engine } = bed;
    await database.query(
      "create table twice (id int unique deferrable initially deferred)",
    );
    await db.execute("insert into twice values (1), (1)");
    const error = await assertRejects(() => db.commit(), IntegrityError);
    assertEquals(error.sqlstate, "23505");
    assertEquals(error.constraint, "twice_id_key");
    // The slot is free at once; the session still wants to be told.
    await engine.idle();
    await database.waitFor(async () => await database.connections() === 0);
    await assertRejects(() => db.execute("select 1"), StateError);
    await db.rollback();
    await db.execute("select 1");
  },
);

sessionTest("a lost connection demands rollback() first", async (bed) => {
  const { database, db } = bed;
  await db.execute("insert into notes values (1, 'a')");
  await database.terminateAll();
  const error = await assertRejects(
    () => db.execute("select 1"),
    ConnectionError,
  );
  assertEquals(error.code, "CONNECTION_LOST");
  await assertRejects(() => db.commit(), StateError, "rollback()");
  await db.rollback();
  await db.execute("insert into notes values (2, 'b')");
  await db.commit();
  assertEquals(await database.query("select id from notes"), [{ id: 2 }]);
});

sessionTest("a connection lost while idle fails the commit", async (bed) => {
  const { database, db } = bed;
  await db.execute("insert into notes values (1, 'a')");
  await database.terminateAll();
  // Known before COMMIT is sent, or not: that is nobody's to tell from here.
  const error = await assertRejects(() => db.commit(), NullpoolError);
  const isKnown = error instanceof ConnectionError && !error.maybeExecuted;
  assert(isKnown || error instanceof CommitOutcomeError, error.message);
  await db.rollback();
  assertEquals(await database.query("select * from notes"), []);
});

sessionTest("rollback rejects what was not sent yet", async (bed) => {
  const { db, sent } = bed;
  await db.execute("select 1 as first");
  const running = issue(db, "select pg_sleep(0.05)");
  await turns(5);
  const queued = issue(db, "select 2 as never");
  const rejected = assertRejects(() => queued, StateError, "rolled back");
  await db.rollback();
  await rejected;
  await running;
  assertEquals((await sent()).slice(1), [
    "select 1 as first",
    "select pg_sleep(0.05)",
    "rollback",
  ]);
});

sessionTest("rollback is one, however often it is called", async (bed) => {
  const { db, sent } = bed;
  await db.execute("select 1");
  await Promise.all([db.rollback(), db.rollback(), db.close()]);
  assertEquals((await sent()).filter((text) => text === "rollback").length, 1);
});

sessionTest("refuses commit while a statement runs", async ({ db }) => {
  const running = issue(db, "select pg_sleep(0.05)");
  const error = await assertRejects(() => db.commit(), StateError);
  assertEquals(error.code, "SESSION_BUSY");
  assert(error.message.includes("a statement"), error.message);
  await running;
  await db.commit();
});

sessionTest(
  "refuses statements while it commits, not rollback",
  async (bed) => {
    const { db, database } = bed;
    await db.execute("insert into notes values (1, 'a')");
    const committing = db.commit();
    const error = await assertRejects(() => db.execute("select 1"), StateError);
    assertEquals(error.code, "SESSION_BUSY");
    await db.rollback();
    await committing;
    assertEquals(await database.query("select id from notes"), [{ id: 1 }]);
  },
);

sessionTest("close is never refused, and waits for what runs", async (bed) => {
  const { db, database } = bed;
  await db.execute("select 1");
  const running = issue(db, "select pg_sleep(0.05), 1 as one");
  await turns(5);
  await db.close();
  assertEquals((await running).rowCount, 1);
  assertEquals(await database.openTransactions(), 0);
});

sessionTest("close while connecting sends nothing", async (bed) => {
  const { db, engine, sent } = bed;
  const rejected = assertRejects(() => issue(db, "select 1"), StateError);
  await db.close();
  await rejected;
  await engine.idle();
  assertEquals(await sent(), []);
  assertEquals(engine.status().checkedOut, 0);
});

sessionTest(
  "setRollbackOnly() refuses the commit",
  async ({ database, db }) => {
    await db.execute("insert into notes values (1, 'a')");
    db.setRollbackOnly();
    const error = await assertRejects(() => db.commit(), StateError);
    assertEquals(error.code, "ROLLBACK_ONLY");
    await db.rollback();
    await db.begin(async () => {
      await db.execute("insert into notes values (2, 'b')");
      db.setRollbackOnly();
    });
    assertEquals(await database.query("select * from notes"), []);
  },
);

sessionTest("settings of the engine lead every transaction", async (bed) => {
  const { database } = bed;
  await using engine = createEngine(postgres(database.url), {
    settings: { timezone: "Asia/Tokyo" },
  });
  const Session = sessionmaker(engine);
  await using db = Session();
  for (let i = 0; i < 2; i++) {
    const { rows } = await db.execute("show timezone");
    assertEquals(rows, [{ TimeZone: "Asia/Tokyo" }]);
    assertEquals(db.stats.roundTrips, 2 * i + 1);
    await db.commit();
  }
});

sessionTest("a failing BEGIN leaks nothing", async ({ database }) => {
  await using engine = createEngine(postgres(database.url), {
    settings: { timezone: "No/Where" },
  });
  const Session = sessionmaker(engine);
  await using db = Session();
  for (let i = 0; i < 5; i++) {
    await assertRejects(() => db.execute("select 1"), DatabaseError, "22023");
    assert(db.isActive);
  }
  await engine.idle();
  await database.waitFor(async () => await database.connections() === 0);
  assertEquals(engine.status().checkedOut, 0);
});

Deno.test("Session a connect failure leaves it usable", async () => {
  await using database = await testDatabase();
  const wrong = new URL(database.url);
  wrong.password = "wrong-secret";
  let url = wrong.href;
  await using engine = createEngine({
    ...postgres(() => url),
    connect: (options) => postgres(url).connect(options),
  });
  await using db = sessionmaker(engine)();
  const error = await assertRejects(
    () => db.execute("select 1"),
    ConnectionError,
    "28P01 invalid_password",
  );
  assert(!JSON.stringify(error).includes("wrong-secret"));
  assert(!String(error.stack).includes("wrong-secret"));
  url = database.url;
  assertEquals((await db.execute("select 1 as n")).rows, [{ n: 1 }]);
});

Deno.test("Session the connection of a failed transaction is free at once", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) => new StaticPool(driver),
  });
  const Session = sessionmaker(engine);
  await using failed = Session();
  await assertRejects(() => issue(failed, "no sql"), DatabaseError);
  await using other = Session();
  await other.execute("select 1");
  await other.commit();
  assertEquals(failed.state, "failed");
  await failed.rollback();
  await failed.execute("select 2 as two");
  await failed.commit();
  assertEquals(
    (await database.log()).filter((text) => text === "rollback").length,
    1,
  );
});

Deno.test("Session a savepoint that cannot save it keeps no connection", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url));
  await using db = sessionmaker(engine)();
  await Promise.allSettled([
    issue(db, "select 1/0"),
    db.beginNested(async (tx) => {
      await tx.execute("select 1");
    }),
  ]);
  await engine.idle();
  assertEquals([db.state, engine.status().checkedOut], ["failed", 0]);
});

Deno.test("Session COMMIT of a read-only transaction is not waited for", async () => {
  let answer = () => {};
  const answered = new Promise<void>((resolve) => answer = resolve);
  const driver = sendingBy(
    recordingDriver(),
    async (connection, statements) => {
      if (statements[0]?.text === "commit") await answered;
      return await connection.send(statements);
    },
  );
  await using engine = createEngine(driver);
  await using db = sessionmaker(engine)();
  await db.begin({ readOnly: true, isolationLevel: "repeatable read" });
  await db.execute("select 1");
  await db.commit();
  assertEquals([db.state, engine.status().checkedOut], ["idle", 1]);
  const settled: string[] = [];
  const idle = engine.idle().then(() => settled.push("idle"));
  const disposed = engine.dispose().then(() => settled.push("disposed"));
  await turns(20);
  assertEquals([settled, engine.status().checkedOut], [[], 1]);
  answer();
  await Promise.all([idle, disposed]);
  assertEquals(engine.status().checkedOut, 0);
});

Deno.test("Session a read-only transaction that was committed is in nobody's way", async () => {
  await using database = await testDatabase();
  const pools: Record<string, PoolFactory> = {
    null: (driver) => new NullPool(driver, { maxOpen: 1 }),
    queue: (driver) => new QueuePool(driver, { poolSize: 1, maxOverflow: 0 }),
    static: (driver) => new StaticPool(driver),
    assertion: (driver) => new AssertionPool(driver),
  };
  for (const [name, pool] of Object.entries(pools)) {
    await using engine = createEngine(postgres(database.url), { pool });
    const Session = sessionmaker(engine);
    await using db = Session({ transaction: { readOnly: true } });
    await db.execute("select 1");
    await db.commit();
    const { checkedOut, closing } = engine.status();
    assertEquals([checkedOut, closing], [1, 0], name);
    await using child = Session({ parent: db.holder });
    await child.execute("select 2");
    await child.close();
    await db.execute("select 3");
    await db.commit();
    await db.execute("select 4");
    await db.close();
    await engine.idle();
    assertEquals(engine.status().checkedOut, 0, name);
  }
});

Deno.test("Session reads on when the connection it has kept was killed meanwhile", async () => {
  await using database = await testDatabase({
    setup: "create table t (id int primary key); insert into t values (1)",
  });
  const t = pgTable("t", { id: integer().primaryKey() });
  await using engine = createEngine(postgres(database.url));
  await using db = sessionmaker(engine)();
  assertEquals(await db.select().from(t), [{ id: 1 }]);
  await database.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
  );
  // At once: the client has not heard of it.
  assertEquals(await db.select().from(t), [{ id: 1 }]);
  assertEquals(db.stats.connections, 2);
});
