import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { sql } from "drizzle-orm";
import {
  ConnectionError,
  createEngine,
  IntegrityError,
  type Session,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { cuttingRelay } from "../support/cutting_relay.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { turns } from "./session_bed.ts";

const BEGIN = "begin isolation level read committed";

function savepointTest(
  name: string,
  run: (db: Session, database: TestDatabase) => Promise<void>,
): void {
  Deno.test(`savepoint ${name}`, async () => {
    await using database = await testDatabase({
      setup: "create table t (id int primary key)",
    });
    await using engine = createEngine(postgres(database.url));
    await using db = sessionmaker(engine)();
    await run(db, database);
    await db.close();
    await engine.idle();
    await database.waitFor(async () => await database.connections() === 0);
  });
}

function ids(database: TestDatabase): Promise<unknown> {
  return database.query("select id from t order by id")
    .then((rows) => rows.map((row) => row.id));
}

savepointTest(
  "is sent with the first statement inside",
  async (db, database) => {
    await db.begin();
    await db.transaction(async (tx) => {
      await tx.execute("insert into t values (1)");
      await tx.execute("insert into t values (2)");
    });
    await db.execute("insert into t values (3)");
    await db.commit();
    assertEquals(await database.log(), [
      BEGIN,
      "savepoint nullpool_1",
      "insert into t values (1)",
      "insert into t values (2)",
      "release savepoint nullpool_1",
      "insert into t values (3)",
      "commit",
    ]);
    // BEGIN, SAVEPOINT and the first insert are one flight; RELEASE leads the
    // third insert.
    assertEquals(db.stats.roundTrips, 4);
  },
);

savepointTest("undoes its block and nothing else", async (db, database) => {
  await db.execute("insert into t values (1)");
  await assertRejects(
    () =>
      db.transaction(async (tx) => {
        await tx.execute("insert into t values (2)");
        await tx.execute("insert into t values (1)");
      }),
    IntegrityError,
  );
  await db.execute("insert into t values (3)");
  await db.commit();
  assertEquals(await ids(database), [1, 3]);
});

savepointTest("names are never used twice", async (db, database) => {
  await db.begin();
  for (let n = 0; n < 3; n++) {
    await db.beginNested(async (tx) => {
      await tx.execute(`insert into t values (${n})`);
      await tx.transaction((inner) => inner.execute("select 1"));
    });
  }
  await db.commit();
  const names = (await database.log())
    .filter((text) => text.startsWith("savepoint"));
  assertEquals(names.length, 6);
  assertEquals(new Set(names).size, 6);
});

savepointTest(
  "nests, and the inner one can fail alone",
  async (db, database) => {
    await db.begin();
    await db.transaction(async (outer) => {
      await outer.execute("insert into t values (1)");
      await assertRejects(() =>
        outer.transaction(async (inner) => {
          await inner.execute("insert into t values (2)");
          inner.rollback();
        })
      );
      await outer.execute("insert into t values (3)");
    });
    await db.commit();
    assertEquals(await ids(database), [1, 3]);
  },
);

savepointTest(
  "transaction(fn) after reads is a transaction",
  async (db, database) => {
    await db.execute("select 1");
    await db.rollback();
    await db.$count(sql`t`);
    await db.transaction((tx) => tx.execute("insert into t values (1)"));
    assertFalse(db.inTransaction);
    assertEquals(await ids(database), [1]);
    assertEquals((await database.log()).slice(-4), [
      BEGIN,
      "select count(*) as count from t;",
      "insert into t values (1)",
      "commit",
    ]);
  },
);

savepointTest(
  "refuses the outer handle while a block is open",
  async (db, database) => {
    await db.begin();
    await db.transaction(async (tx) => {
      await tx.execute("insert into t values (1)");
      for (
        const call of [
          () => db.execute("insert into t values (9)"),
          () => db.transaction(() => Promise.resolve()),
          () => db.beginNested(),
          () => db.commit(),
        ]
      ) {
        const error = await assertRejects(call, StateError);
        assertEquals(error.code, "NESTED_BLOCK_OPEN");
      }
    });
    await db.commit();
    assertEquals(await ids(database), [1]);
  },
);

savepointTest(
  "refuses a second block beside an open one (M2)",
  async (db, database) => {
    await db.begin();
    const [first, second] = await Promise.allSettled([
      db.transaction(async (tx) => {
        await tx.execute("insert into t values (1)");
        await tx.execute("insert into t values (2)");
      }),
      db.transaction(async (tx) => {
        await tx.execute("insert into t values (3)");
        throw new Error("the second fails");
      }),
    ]);
    assertEquals(first.status, "fulfilled");
    assert(second.status === "rejected");
    assertEquals(second.reason.code, "NESTED_BLOCK_OPEN");
    await db.commit();
    assertEquals(await ids(database), [1, 2]);
  },
);

savepointTest("a handle is dead after its block (M3)", async (db, database) => {
  await db.begin();
  const kept = await db.transaction((tx) => Promise.resolve(tx));
  const query = await db.beginNested((tx) =>
    // In an array: a promise would run the query on its own.
    Promise.resolve([tx.execute("insert into t values (2)")])
  );
  for (
    const call of [
      () => kept.execute("insert into t values (1)"),
      () => kept.transaction(() => Promise.resolve()),
      () => query[0] ?? Promise.resolve(),
    ]
  ) {
    const error = await assertRejects(() => call().then(() => {}), StateError);
    assertEquals(error.code, "TRANSACTION_ENDED");
  }
  await db.commit();
  await assertRejects(() => kept.execute("select 1"), StateError);
  assertEquals(await ids(database), []);
});

savepointTest("a swallowed failure fails the block", async (db, database) => {
  await db.execute("insert into t values (1)");
  const error = await assertRejects(
    () =>
      db.transaction(async (tx) => {
        await tx.execute("insert into t values (2)");
        await tx.execute("insert into t values (1)").catch(() => {});
      }),
    StateError,
  );
  assertEquals(error.code, "TRANSACTION_FAILED");
  assert(error.cause instanceof IntegrityError);
  await db.commit();
  assertEquals(await ids(database), [1]);
});

savepointTest("a failure before the block is not undone by it", async (db) => {
  await db.execute("insert into t values (1)");
  const failing = db.execute("insert into t values (1)").then(() => {});
  const block = db.transaction((tx) => tx.execute("insert into t values (2)"));
  const outcomes = await Promise.allSettled([failing, block]);
  assertEquals(outcomes.map(({ status }) => status), ["rejected", "rejected"]);
  assertEquals(db.state, "failed");
  await assertRejects(() => db.commit(), StateError);
  await db.rollback();
});

savepointTest(
  "rollback() inside a block ends everything",
  async (db, database) => {
    await db.begin();
    await db.transaction(async (tx) => {
      await tx.execute("insert into t values (1)");
      await db.rollback();
      await assertRejects(() => tx.execute("select 1"), StateError);
    });
    await db.execute("insert into t values (2)");
    await db.commit();
    assertEquals(await ids(database), [2]);
  },
);

savepointTest(
  "beginNested() without a block ends by its handle",
  async (db, database) => {
    await db.execute("insert into t values (1)");
    const first = await db.beginNested();
    await db.execute("insert into t values (2)");
    assert(db.inNestedTransaction);
    await first.rollback();
    assertFalse(first.isActive);
    await assertRejects(() => first.rollback(), StateError);
    const second = await db.beginNested();
    await db.execute("insert into t values (3)");
    await second.commit();
    const third = await db.beginNested();
    await db.execute("insert into t values (4)");
    await db.commit();
    assertFalse(third.isActive);
    assertEquals(await ids(database), [1, 3, 4]);
  },
);

savepointTest(
  "a savepoint cannot change the transaction's options",
  async (db) => {
    await db.execute("insert into t values (1)");
    const error = await assertRejects(
      () =>
        db.transaction(() => Promise.resolve(), {
          isolationLevel: "serializable",
        }),
      StateError,
    );
    assertEquals(error.code, "TRANSACTION_OPEN");
    await db.transaction(() => Promise.resolve(), {
      isolationLevel: "read committed",
    });
  },
);

savepointTest(
  "is rolled back without RELEASE, and released by its commit",
  async (db, database) => {
    const undone = await db.beginNested();
    assert(db.inTransaction && db.inNestedTransaction);
    await db.execute("insert into t values (1)");
    await undone.rollback();
    const kept = await db.beginNested();
    await db.execute("insert into t values (2)");
    await kept.commit();
    await db.commit();
    assertEquals(await database.log(), [
      BEGIN,
      "savepoint nullpool_1",
      "insert into t values (1)",
      "rollback to savepoint nullpool_1",
      "savepoint nullpool_2",
      "insert into t values (2)",
      "release savepoint nullpool_2",
      "commit",
    ]);
  },
);

savepointTest(
  "commit() and rollback() end all of them in one word",
  async (db, database) => {
    for (const end of ["commit", "rollback"] as const) {
      const outer = await db.beginNested();
      const inner = await db.beginNested();
      await db.execute(`insert into t values (${end.length})`);
      await db[end]();
      assertFalse(outer.isActive || inner.isActive || db.inTransaction);
    }
    assertEquals(await database.log(), [
      BEGIN,
      "savepoint nullpool_1",
      "savepoint nullpool_2",
      "insert into t values (6)",
      "commit",
      BEGIN,
      "savepoint nullpool_1",
      "savepoint nullpool_2",
      "insert into t values (8)",
      "rollback",
    ]);
    assertEquals(await ids(database), [6]);
  },
);

savepointTest(
  "an outer handle's commit keeps the inner one's work",
  async (db, database) => {
    await db.begin();
    const outer = await db.beginNested();
    await db.execute("insert into t values (1)");
    const inner = await db.beginNested();
    await db.execute("insert into t values (2)");
    await outer.commit();
    assertFalse(inner.isActive);
    const error = await assertRejects(() => inner.rollback(), StateError);
    assertEquals(error.code, "TRANSACTION_ENDED");
    await db.commit();
    assertEquals(await ids(database), [1, 2]);
  },
);

savepointTest(
  "without a block a failure is refused until its rollback",
  async (db, database) => {
    await db.execute("insert into t values (1)");
    const handle = await db.beginNested();
    const first = await assertRejects(
      () => db.execute("insert into t values (1)").then(() => {}),
      IntegrityError,
    );
    for (
      const call of [
        () => db.execute("select 1").then(() => {}),
        () => db.beginNested(),
        () => handle.commit(),
        () => db.commit(),
      ]
    ) {
      const error = await assertRejects(call, StateError);
      assertEquals(error.code, "TRANSACTION_FAILED");
      assert(error.cause === first);
    }
    await handle.rollback();
    assert(db.isActive);
    await db.execute("insert into t values (2)");
    await db.commit();
    assertEquals(await ids(database), [1, 2]);
  },
);

savepointTest(
  "does not outlive the connection",
  async (db, database) => {
    await db.execute("insert into t values (1)");
    const lost = await assertRejects(
      () =>
        db.beginNested(async (tx) => {
          await tx.execute("insert into t values (2)");
          await database.terminateAll();
          await tx.execute("insert into t values (3)");
        }),
      ConnectionError,
    );
    const error = await assertRejects(() => db.commit(), StateError);
    assert(error.cause === lost);
    await db.rollback();
    await db.execute("insert into t values (4)");
    await db.commit();
    assertEquals(await ids(database), [4]);
  },
);

Deno.test("savepoint lost with its connection is told as that", async () => {
  await using database = await testDatabase({
    setup: "create table t (id int primary key)",
  });
  await using relay = cuttingRelay(database.url);
  const url = new URL(database.url);
  url.port = String(relay.port);
  await using engine = createEngine(postgres(url.href));
  await using db = sessionmaker(engine)();
  await db.execute("insert into t values (1)");
  relay.arm("after");
  const error = await assertRejects(
    () => db.transaction((tx) => tx.execute("insert into t values (2)")),
    ConnectionError,
  );
  assertEquals(error.code, "CONNECTION_LOST");
  await db.rollback();
  assertEquals(await ids(database), []);
});

for (const count of [0, 1, 2, 3, 4, 6, 8]) {
  savepointTest(
    `undone ${count} turns behind what was not sent leaves its transaction`,
    async (db, database) => {
      await db.begin();
      await db.execute("insert into t values (1)");
      let inner: Promise<unknown> = Promise.resolve();
      await assertRejects(() =>
        db.transaction(async (tx) => {
          // Nobody awaits it.
          inner = tx.transaction(async (within) => {
            await within.execute("insert into t values (2)");
          });
          inner.catch(() => {});
          await turns(count);
          throw new Error("mine");
        })
      );
      await inner.catch(() => {});
      await db.execute("insert into t values (3)");
      await db.commit();
      assertEquals(await ids(database), [1, 3]);
    },
  );
}
