import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  createEngine,
  DatabaseError,
  type Engine,
  type EventMap,
  type Session,
  type SessionHooks,
  sessionmaker,
  StateError,
  StaticPool,
} from "../../mod.ts";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { BEGIN, issue } from "./session_bed.ts";

const notes = pgTable("notes", { id: integer().primaryKey() });

/** A session over PostgreSQL with hooks. */
function hooksTest(
  name: string,
  hooks: SessionHooks<Session>,
  run: (bed: {
    database: TestDatabase;
    engine: Engine;
    db: Session;
  }) => Promise<void>,
): void {
  Deno.test(`Session hooks: ${name}`, async () => {
    await using database = await testDatabase({
      setup: "create table notes (id int primary key)",
    });
    await using engine = createEngine(postgres(database.url));
    await using db = sessionmaker(engine, { hooks })();
    await run({ database, engine, db });
    await db.close();
    await engine.idle();
    await database.waitFor(async () => await database.connections() === 0);
  });
}

/** Writes down what an engine tells and what hooks see. */
function record() {
  const heard: string[] = [];
  const engine = createEngine(recordingDriver());
  const see = (hook: string) => (db: Session) => {
    heard.push(`${hook}: ${db.state}, ${engine.status().checkedOut} lent`);
  };
  const Session = sessionmaker(engine, {
    hooks: {
      afterBegin: (_, db) => see("afterBegin")(db),
      beforeCommit: see("beforeCommit"),
      afterCommit: see("afterCommit"),
      afterRollback: see("afterRollback"),
    },
  });
  const types: readonly (keyof EventMap)[] = [
    "checkout",
    "begin",
    "savepoint",
    "statement",
    "commit",
    "rollback",
    "checkin",
  ];
  for (const type of types) {
    engine.on(type, (event) => {
      heard.push("action" in event ? `savepoint ${event.action}` : type);
    });
  }
  return { heard, Session };
}

Deno.test("Session hooks and events come in SQLAlchemy's order", async () => {
  const { heard, Session } = record();
  await using db = Session();
  /** The slot is free before the hooks run; that it is, is told beside them. */
  async function taken(): Promise<string[]> {
    await Session.engine.idle();
    return heard.splice(0).filter((name) => name !== "checkin");
  }
  await db.begin();
  await db.execute("select 1");
  await db.beginNested(async (tx) => {
    await tx.execute("select 2");
  });
  await assertRejects(() =>
    db.beginNested(async (tx) => {
      await tx.execute("select 3");
      throw new Error("of the user");
    })
  );
  await db.commit();
  assertEquals(await taken(), [
    "afterBegin: active, 0 lent",
    "checkout",
    "begin",
    "statement",
    "savepoint begin",
    "statement",
    "savepoint release",
    "savepoint begin",
    "statement",
    "beforeCommit: active, 1 lent",
    "savepoint rollback",
    "commit",
    "afterCommit: idle, 0 lent",
  ]);
  await db.execute("select 4");
  await db.rollback();
  assertEquals(await taken(), [
    "afterBegin: active, 0 lent",
    "checkout",
    "begin",
    "statement",
    "rollback",
    "afterRollback: idle, 0 lent",
  ]);
  await db.commit();
  assertEquals(heard, [
    "beforeCommit: idle, 0 lent",
    "afterCommit: idle, 0 lent",
  ]);
});

hooksTest(
  "settings of afterBegin travel with BEGIN",
  { afterBegin: () => ({ "app.user": "u-7" }) },
  async ({ db, database }) => {
    const { rows } = await db.execute(
      "select current_setting('app.user') as user",
    );
    assertEquals(rows, [{ user: "u-7" }]);
    assertEquals(db.stats.roundTrips, 1);
    await db.commit();
    assertEquals((await database.log()).slice(0, 2), [
      BEGIN,
      "select set_config($1, $2, true)",
    ]);
  },
);

hooksTest(
  "statements of afterBegin run ahead of all others",
  {
    afterBegin: async (tx) => {
      await Promise.all([
        tx.execute("insert into notes values (1)"),
        tx.execute("insert into notes values (2)"),
      ]);
    },
  },
  async ({ db, database }) => {
    await Promise.all([issue(db, "select 1"), issue(db, "select 2")]);
    await db.commit();
    assertEquals(await database.log(), [
      BEGIN,
      "insert into notes values (1)",
      "insert into notes values (2)",
      "select 1",
      "select 2",
      "commit",
    ]);
  },
);

hooksTest(
  "afterBegin that throws lets nothing run",
  {
    afterBegin: async (tx) => {
      await tx.execute("insert into notes values (1)");
      throw new Error("no such tenant");
    },
  },
  async ({ db, database, engine }) => {
    await assertRejects(
      () => issue(db, "insert into notes values (2)"),
      Error,
      "no such tenant",
    );
    assertEquals(engine.status().checkedOut, 0);
    const error = await assertRejects(() => db.commit(), StateError);
    assertEquals(error.code, "TRANSACTION_FAILED");
    await db.rollback();
    assertEquals(await database.query("select * from notes"), []);
  },
);

hooksTest(
  "a statement of afterBegin that fails fails the transaction",
  { afterBegin: (tx) => tx.execute("no sql").then(() => {}, () => {}) },
  async ({ db }) => {
    const error = await assertRejects(() => issue(db, "select 1"), StateError);
    assertEquals(error.code, "TRANSACTION_FAILED");
    assert(error.cause instanceof DatabaseError);
    await db.rollback();
    assertEquals(db.state, "idle");
  },
);

Deno.test("Session hooks: what afterBegin was given is dead afterwards", async () => {
  let kept: Pick<Session, "execute"> | undefined;
  const Session = sessionmaker(createEngine(recordingDriver()), {
    hooks: { afterBegin: (tx) => void (kept = tx) },
  });
  await using db = Session();
  await db.execute("select 1");
  const error = await assertRejects(
    async () => await kept?.execute("select 2"),
    StateError,
  );
  assertEquals(error.code, "TRANSACTION_ENDED");
});

hooksTest(
  "beforeCommit writes what is committed, once",
  {
    beforeCommit: async (db) => {
      await db.execute("insert into notes values (100)");
      const error = await assertRejects(() => db.commit(), StateError);
      assertEquals(error.code, "SESSION_BUSY");
    },
  },
  async ({ db, database }) => {
    await db.execute("insert into notes values (1)");
    await db.commit();
    assertEquals(
      await database.query("select id from notes order by id"),
      [{ id: 1 }, { id: 100 }],
    );
  },
);

hooksTest(
  "beforeCommit that throws keeps the transaction open",
  {
    beforeCommit: () => {
      throw new Error("not balanced");
    },
  },
  async ({ db, database }) => {
    await db.execute("insert into notes values (1)");
    await assertRejects(() => db.commit(), Error, "not balanced");
    assertEquals(db.state, "active");
    await db.rollback();
    assertEquals(await database.query("select id from notes"), []);
  },
);

hooksTest(
  "beforeCommit that rolls back does not let the commit succeed",
  { beforeCommit: (db) => db.rollback() },
  async ({ db }) => {
    await db.execute("insert into notes values (1)");
    const error = await assertRejects(() => db.commit(), StateError);
    assertEquals(error.code, "TRANSACTION_ENDED");
  },
);

hooksTest(
  "beforeCommit that closes the session lets nothing be committed",
  { beforeCommit: (db) => db.close() },
  async ({ db }) => {
    const error = await assertRejects(() => db.commit(), StateError);
    assertEquals(error.code, "TRANSACTION_ENDED");
    assertThrows(() => db.joining.checkOptions({ readOnly: true }), StateError);
    assertEquals(db.state, "closed");
  },
);

hooksTest("afterCommit may use the same session", {
  afterCommit: async (db) => {
    await db.execute("insert into notes values (2)");
    await db.commit();
  },
}, async ({ db, database }) => {
  await db.execute("insert into notes values (1)");
  await db.commit();
  assertEquals(
    await database.query("select id from notes order by id"),
    [{ id: 1 }, { id: 2 }],
  );
});

Deno.test("Session hooks: one that throws after the end is told, and breaks nothing", async () => {
  const engine = createEngine(recordingDriver());
  const told: string[] = [];
  engine.on("listenerError", ({ error }) => told.push(String(error)));
  const fail = (message: string) => () => Promise.reject(new Error(message));
  const hooks = {
    afterCommit: fail("commit"),
    afterRollback: fail("rollback"),
  };
  await using db = sessionmaker(engine, { hooks })();
  await db.execute("select 1");
  await db.commit();
  await db.execute("select 2");
  await db.rollback();
  assertEquals(told, ["Error: commit", "Error: rollback"]);
});

Deno.test("Session.afterRollback() runs for work that a savepoint undid", async () => {
  await using db = sessionmaker(createEngine(recordingDriver()))();
  const ran: string[] = [];
  await db.begin();
  db.afterRollback(() => ran.push("undo root"));
  db.afterCommit(() => ran.push("done root"));
  await assertRejects(() =>
    db.beginNested((tx) => {
      tx.afterRollback(() => ran.push("undo savepoint"));
      tx.afterCommit(() => ran.push("done savepoint"));
      return Promise.reject(new Error("of the user"));
    })
  );
  assertEquals(ran, []);
  await db.commit();
  assertEquals(ran.splice(0), ["undo savepoint", "done root"]);

  await db.begin();
  db.afterRollback(() => ran.push("undo root"));
  db.afterCommit(() => ran.push("done root"));
  await db.close();
  assertEquals(ran, ["undo root"]);
});

Deno.test("Session hooks: those behind the end are waited for, and may open sessions", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id int primary key)",
  });
  await using engine = createEngine(postgres(database.url), {
    // Enough: theirs is given back.
    pool: (driver) => new StaticPool(driver),
  });
  const plain = sessionmaker(engine);
  const note = (id: number) => () =>
    plain.begin((own) => own.execute(`insert into notes values (${id})`));
  await using db = sessionmaker(engine, {
    hooks: { afterCommit: note(1), afterRollback: note(2) },
  })();
  await db.execute("select 1");
  await db.commit();
  assertEquals(await database.query("select id from notes"), [{ id: 1 }]);
  await db.execute("select 1");
  await db.rollback();
  assertEquals(
    await database.query("select id from notes order by id"),
    [{ id: 1 }, { id: 2 }],
  );
});

for (const end of ["rollback", "close", "invalidate"] as const) {
  const ended: string[] = [];
  hooksTest(`${end} does not wait for afterBegin`, {
    async afterBegin(tx, db) {
      await tx.execute("select 1");
      // Waiting for what would wait for the hook.
      await db[end]();
      ended.push(end);
      await tx.execute("select 2").catch(({ code }) => ended.push(code));
      throw new Error("nobody hears this");
    },
  }, async ({ engine, db }) => {
    const error = await assertRejects(() => issue(db, "select 3"), StateError);
    assertEquals(error.code, "TRANSACTION_ENDED");
    await db.close();
    await engine.idle();
    assertEquals(ended, [end, "TRANSACTION_ENDED"]);
  });
}

hooksTest("a hanging afterBegin can be left, and begins anew", {
  async afterBegin(tx, db) {
    if (db.stats.connections > 0) return;
    await tx.execute("select 1");
    await new Promise(() => {});
  },
}, async ({ engine, db, database }) => {
  const refused = assertRejects(
    () => issue(db, "insert into notes values (1)"),
    StateError,
    "rolled back",
  );
  await database.waitFor(() => engine.status().checkedOut === 1);
  await db.rollback();
  await refused;
  await issue(db, "insert into notes values (2)");
  await db.commit();
  assertEquals(await database.query("select id from notes"), [{ id: 2 }]);
});

Deno.test("Session hooks: rollback() leaves a beforeCommit that hangs", async () => {
  const driver = recordingDriver();
  let goOn = () => {};
  const hanging = new Promise<void>((resolve) => goOn = resolve);
  await using db = sessionmaker(createEngine(driver), {
    hooks: {
      beforeCommit: (db) => db.stats.connections === 1 ? hanging : undefined,
    },
  })();
  await db.execute("select 1");
  const first = db.commit();
  await db.rollback();
  await db.execute("select 2");
  await db.commit();
  await db.execute("select 3");
  goOn();
  const error = await assertRejects(() => first, StateError);
  assertEquals(error.code, "TRANSACTION_ENDED");
  assertEquals(driver.log.at(-1), `${BEGIN}; select 3`);
});

Deno.test("Session hooks: one may use the session at the end of a block", async () => {
  const driver = recordingDriver();
  const engine = createEngine(driver);
  const problems: unknown[] = [];
  engine.on("listenerError", ({ error }) => problems.push(error));
  await sessionmaker(engine).begin(async (db) => {
    await db.execute("select 1");
    db.afterCommit(async () => {
      await db.execute("insert into audit default values");
      await db.commit();
    });
  });
  assertEquals(problems, []);
  assertEquals(driver.log.slice(4), [
    "connect",
    `${BEGIN}; insert into audit default values`,
    "commit",
    "close",
  ]);
});

Deno.test("Session hooks: afterRollback may close the session that is closing", async () => {
  const closes: number[] = [];
  const db = sessionmaker(createEngine(recordingDriver()), {
    hooks: {
      async afterRollback(db) {
        await db.close();
        closes.push(1);
      },
    },
  })();
  await db.execute("select 1");
  await db.close();
  await db.closed;
  assertEquals(closes, [1]);
});

for (
  const [name, read] of Object.entries<(db: Session) => PromiseLike<unknown>>({
    "SQL": (db) => db.execute("select 1"),
    "a read of its own": (db) => db.select().from(notes),
  })
) {
  Deno.test(`Session hooks: afterBegin that failed is tried again, ahead of ${name}`, async () => {
    const driver = recordingDriver();
    let tries = 0;
    await using db = sessionmaker(createEngine(driver), {
      hooks: {
        afterBegin() {
          if (tries++ === 0) throw new Error("not yet");
          return { "app.user": "alice" };
        },
      },
    })();
    await assertRejects(async () => await read(db), Error, "not yet");
    assertEquals(driver.log, []);
    // Nothing has begun: the session is left usable.
    await read(db);
    const [begin, settings] = driver.log[1]?.split("; ") ?? [];
    assert(begin?.startsWith(BEGIN), begin);
    assertEquals(settings, "select set_config($1, $2, true)");
  });
}

Deno.test("a hook that is no function is refused when sessions are to be made", () => {
  const engine = createEngine(recordingDriver());
  for (
    const name of ["afterBegin", "beforeCommit", "afterCommit", "afterRollback"]
  ) {
    for (const hook of ["marker", null, {}]) {
      const hooks: object = { [name]: hook };
      assertThrows(
        () => sessionmaker(engine, { hooks }),
        TypeError,
        `"${name}"`,
      );
    }
  }
});
