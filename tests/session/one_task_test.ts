import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import { mock } from "node:test";
import {
  ConnectionError,
  createEngine,
  PoolError,
  sessionmaker,
  StateError,
  StaticPool,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { SessionCore } from "../../src/session/session_core.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { asleep, issue, sessionTest, turns } from "./session_bed.ts";

/** Turns of the event loop between two calls: the rollback is under way in each. */
const MOMENTS = [0, 1, 2, 3, 5, 8, 12];

function code(error: unknown): string {
  return error instanceof StateError ? error.code : String(error);
}

/** The keys of the rows that were saved. */
const IDS = "select id from notes order by id";

sessionTest("a commit beside a rollback never says it saved", async (bed) => {
  for (const moment of MOMENTS) {
    await issue(bed.db, `insert into notes values (${moment})`);
    const rolledBack = bed.db.rollback();
    await turns(moment);
    const error = await assertRejects(() => bed.db.commit(), StateError);
    assertEquals(error.code, "SESSION_BUSY");
    await rolledBack;
  }
  assertEquals(await bed.database.query(IDS), []);
});

sessionTest("begin() beside a rollback is refused", async ({ db }) => {
  await issue(db, "insert into notes values (1)");
  const rolledBack = db.rollback();
  assertEquals(code(await db.begin().catch((error) => error)), "SESSION_BUSY");
  await rolledBack;
  await db.begin();
  assert(db.inTransaction);
});

sessionTest("a stray statement of a throwing block is refused", async (bed) => {
  const { db, database } = bed;
  await issue(db, "insert into notes values (1000)");
  const strays: Promise<unknown>[] = [];
  for (let moment = 0; moment < 40; moment++) {
    await assertRejects(() =>
      db.transaction(async (tx) => {
        const first = tx.execute(`insert into notes values (${2000 + moment})`)
          .then(() => {});
        strays.push(
          first.then(() => turns(moment))
            .then(() => tx.execute(`insert into notes values (${moment})`))
            .catch(code),
        );
        await turns(8);
        throw new Error("of the user");
      })
    );
  }
  const outcomes = new Set(await Promise.all(strays));
  assertEquals(outcomes, new Set(["TRANSACTION_ENDED"]));
  await db.commit();
  assertEquals(await database.query(IDS), [{ id: 1000 }]);
});

sessionTest("a savepoint's rollback is waited for", async (bed) => {
  const { db, database } = bed;
  await issue(db, "insert into notes values (1)");
  const handle = await db.beginNested();
  await issue(db, "insert into notes values (2)");
  const rolledBack = handle.rollback();
  const error = await assertRejects(() => db.commit(), StateError);
  assertEquals(error.code, "SESSION_BUSY");
  await rolledBack;
  await db.commit();
  assertEquals(await database.query(IDS), [{ id: 1 }]);
});

sessionTest("savepoints rolled back at once undo each once", async (bed) => {
  const { db, database } = bed;
  await issue(db, "insert into notes values (1)");
  const outer = await db.beginNested();
  await issue(db, "insert into notes values (2)");
  const inner = await db.beginNested();
  await issue(db, "insert into notes values (3)");
  await Promise.all([outer.rollback(), inner.rollback()]);
  await issue(db, "insert into notes values (4)");
  await db.commit();
  assertEquals(await database.query(IDS), [{ id: 1 }, { id: 4 }]);
});

sessionTest(
  "a statement beside the rollback of an outer savepoint is refused",
  async ({ db, database }) => {
    const outer = await db.beginNested();
    await issue(db, "insert into notes values (1)");
    await db.beginNested();
    const running = issue(db, "select pg_sleep(0.05)");
    const undoing = outer.rollback();
    const error = await assertRejects(
      () => issue(db, "insert into notes values (2)"),
      StateError,
    );
    assertEquals(error.code, "SESSION_BUSY");
    await Promise.allSettled([running, undoing]);
    await issue(db, "insert into notes values (3)");
    await db.commit();
    assertEquals(await database.query("select id from notes"), [{ id: 3 }]);
  },
);

sessionTest(
  "a throwing block rejects none of the outer's work",
  async (bed) => {
    const { db, database } = bed;
    await db.begin();
    const [outer, block] = await Promise.allSettled([
      issue(db, "insert into notes values (1)"),
      db.transaction(() => Promise.reject(new Error("of the user"))),
    ]);
    assertEquals([outer.status, block.status], ["fulfilled", "rejected"]);
    await db.commit();
    assertEquals(await database.query(IDS), [{ id: 1 }]);
  },
);

sessionTest("an afterCommit hook may end the session", async (bed) => {
  for (const end of ["rollback", "close"] as const) {
    const db = bed.Session();
    await db.execute("select 1");
    let hadConnections = -1;
    db.afterCommit(async () => {
      await db[end]();
      hadConnections = bed.engine.status().checkedOut;
    });
    await db.commit();
    assertEquals(hadConnections, 0);
    await db.close();
  }
});

sessionTest("SQL cannot end the transaction behind its back", async (bed) => {
  const { db, database } = bed;
  await issue(db, "insert into notes values (1)");
  for (
    const text of [
      "commit",
      " COMMIT AND CHAIN",
      "end",
      "abort",
      "rollback",
      "Rollback Work",
      "/* a */ -- b\n commit;",
      "prepare transaction 'x'",
    ]
  ) {
    const error = await assertRejects(() => issue(db, text), StateError);
    assertEquals(error.code, "TRANSACTION_OPEN", text);
  }
  // A savepoint of the user's own is no end of the transaction.
  await issue(db, "savepoint mine");
  await issue(db, "rollback to mine");
  await db.rollback();
  assertEquals(await database.query(IDS), []);
});

sessionTest("setRollbackOnly() may be called after a failure", async (bed) => {
  const { db } = bed;
  await assertRejects(() => issue(db, "no sql"));
  db.setRollbackOnly();
  assert(db.isRollbackOnly);
  await db.rollback();
  assertFalse(db.isRollbackOnly);
});

Deno.test("Session a swallowed connect failure does not end in success", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id int primary key)",
  });
  const real = postgres(database.url);
  let isDown = false;
  await using engine = createEngine({
    ...real,
    connect: (options) =>
      isDown ? Promise.reject(new Error("down")) : real.connect(options),
  });
  await using db = sessionmaker(engine)();
  isDown = true;
  await assertRejects(
    () => issue(db, "insert into notes values (1)"),
    ConnectionError,
  );
  assertEquals(db.state, "active");
  const error = await assertRejects(() => db.commit(), StateError);
  assertEquals(error.code, "TRANSACTION_FAILED");
  assertInstanceOf(error.cause, ConnectionError);
  await db.rollback();

  // A retry needs no rollback.
  await assertRejects(() => issue(db, "insert into notes values (2)"));
  isDown = false;
  await issue(db, "insert into notes values (3)");
  await db.commit();
  assertEquals(await database.query(IDS), [{ id: 3 }]);
});

Deno.test("Session a transaction of a closed session ends no other", async () => {
  await using engine = createEngine(recordingDriver());
  const db = sessionmaker(engine)();
  const handle = await db.begin();
  await db.close();
  assertFalse(handle.isActive);
  const error = await assertRejects(() => handle.commit(), StateError);
  assertEquals(error.code, "TRANSACTION_ENDED");
});

sessionTest(
  "the handle of begin() ends its own transaction only",
  async (bed) => {
    const { db, database } = bed;
    const first = await db.begin();
    await issue(db, "insert into notes values (1)");
    await first.commit();
    {
      await using second = await db.begin();
      await issue(db, "insert into notes values (2)");
      assert(second.isActive);
      assertFalse(first.isActive);
      const error = await assertRejects(() => first.rollback(), StateError);
      assertEquals(error.code, "TRANSACTION_ENDED");
    }
    assertEquals(db.state, "idle");
    assertEquals(await database.query(IDS), [{ id: 1 }]);
  },
);

sessionTest(
  "close waits for a statement no longer than its deadline",
  async (bed) => {
    const { Session, database, engine } = bed;
    // Its timer would be a real one among those of the test.
    const db = Session({ transaction: { statementTimeout: 0 } });
    const running = assertRejects(
      () => issue(db, "select pg_sleep(60)"),
      ConnectionError,
    );
    await asleep(database);
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const closing = db.close();
      await turns(20);
      assertEquals(engine.status().checkedOut, 1);
      mock.timers.tick(5_000);
      await closing;
    } finally {
      mock.timers.reset();
    }
    await running;
    assertEquals(engine.status().checkedOut, 0);
  },
);

sessionTest("who would end or begin waits for a statement", async ({ db }) => {
  const running = issue(db, "select pg_sleep(0.05)");
  const calls = {
    commit: () => db.commit(),
    begin: () => db.begin(),
    "begin a savepoint": () => db.beginNested(),
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = await assertRejects(call, StateError);
    assertEquals(error.code, "SESSION_BUSY");
    // Both are named.
    assert(error.message.startsWith(`Cannot ${name}: a statement`), name);
  }
  await running;
  await db.commit();
});

sessionTest("a block does not end before its statements", async (bed) => {
  const { db, database } = bed;
  await db.begin();
  const strays: Promise<unknown>[] = [];
  const error = await assertRejects(
    () =>
      db.beginNested((tx) => {
        const stray = tx.execute("insert into notes values (1)");
        strays.push(stray.then(() => "done", code));
        return Promise.resolve();
      }),
    StateError,
  );
  assertEquals(error.code, "SESSION_BUSY");
  assertEquals(await Promise.all(strays), ["TRANSACTION_ENDED"]);
  await db.commit();
  assertEquals(await database.query(IDS), []);
});

sessionTest("who overlaps a commit is refused", async ({ db, database }) => {
  await issue(db, "insert into notes values (1)");
  const committing = db.commit();
  const calls = {
    commit: () => db.commit(),
    begin: () => db.begin(),
    beginNested: () => db.beginNested(),
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = await assertRejects(call, StateError);
    assertEquals(error.code, "SESSION_BUSY");
    assert(error.message.startsWith(`Cannot ${name}: commit`), error.message);
  }
  // Never refused: it waits for the answer, and there is nothing to undo.
  await db.close();
  await committing;
  assertEquals(await database.query(IDS), [{ id: 1 }]);
});

Deno.test("Session a pool that has none to lend leaves it usable", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) => new StaticPool(driver, { timeout: 20 }),
  });
  const Session = sessionmaker(engine);
  await using holder = Session({ name: "the holder" });
  await holder.execute("select 1");
  await using db = Session();
  const error = await assertRejects(() => issue(db, "select 2"), PoolError);
  assertEquals(error.code, "POOL_TIMEOUT");
  assert(error.message.includes('"the holder"'), error.message);
  assert(db.isActive);
  await holder.commit();
  // A retry needs no rollback.
  await issue(db, "select 3 as three");
  await db.commit();
  assertEquals((await database.log()).slice(-2), [
    "select 3 as three",
    "commit",
  ]);
});

for (const access of ["write", "pure"] as const) {
  Deno.test(`SessionCore commits right behind an answer, ${access}`, async () => {
    const core = new SessionCore(createEngine(recordingDriver()), {
      identity: {},
      notesPosition: false,
      transaction: {},
      atomic: false,
      autobegin: true,
      sharesReads: true,
      holder: { name: "a test" },
      hooks: {},
    });
    const params: readonly string[] = [];
    // No turn of Drizzle's comes between.
    await core.execute(core, {
      text: "select 1",
      params,
      rowMode: "array",
      access,
    });
    await core.commit();
    await core.close();
  });
}
