import { assert, assertEquals, assertRejects } from "@std/assert";
import { Hono } from "hono";
import {
  createEngine,
  IntegrityError,
  mapTasks,
  NullPool,
  PoolError,
  type Session,
  sessionmaker,
} from "../../mod.ts";
import { background, dbSession } from "../../src/hono/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { type ScopedSession, scopedSession } from "../../src/scoped/mod.ts";
import { rolledBack, withRollback } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";

/** An application with a module-level `db`, as its tests find it. */
function rollbackTest(
  name: string,
  run: (bed: {
    scope: ScopedSession;
    app: Hono;
    /** The rows that anybody else sees. */
    stored: () => Promise<unknown[]>;
  }) => Promise<void>,
): void {
  Deno.test(`withRollback() ${name}`, async () => {
    await using database = await testDatabase({
      setup: "create table notes (id int primary key)",
    });
    await using engine = createEngine(postgres(database.url), {
      pool: (driver) => new NullPool(driver, { maxOpen: 1, timeout: 5_000 }),
    });
    const scope = scopedSession(sessionmaker(engine));
    const app = new Hono();
    app.use(dbSession(scope));
    app.post("/notes/:id", async (c) => {
      await scope.db.execute(`insert into notes values (${c.req.param("id")})`);
      return c.text("made", c.req.query("status") === "409" ? 409 : 201);
    });
    app.onError((error, c) => c.text(error.message, 500));
    await run({
      scope,
      app,
      stored: () => database.query("select id from notes order by id"),
    });
    await engine.idle();
    await database.waitFor(async () => await database.connections() === 0);
  });
}

async function ids(db: Session): Promise<unknown[]> {
  const { rows } = await db.execute("select id from notes order by id");
  return rows.map(({ id }) => id);
}

rollbackTest("takes an app behind dbSession(scope) along", async (bed) => {
  const { scope, app, stored } = bed;
  await withRollback(scope, async (db) => {
    assert(scope.current === db);
    // The test may be inside a transaction while a request runs.
    assertEquals(await ids(db), []);
    assertEquals(
      (await app.request("/notes/1", { method: "POST" })).status,
      201,
    );
    assertEquals(await ids(db), [1]);
    const again = await app.request("/notes/1", { method: "POST" });
    assertEquals(again.status, 500);
    await app.request("/notes/2?status=409", { method: "POST" });
    await scope.db.execute("insert into notes values (3)");
    await scope.db.commit();
    assertEquals(await ids(scope.db), [1, 3]);
    assertEquals(await stored(), []);
  });
  assertEquals(await stored(), []);
  await app.request("/notes/4", { method: "POST" });
  assertEquals(await stored(), [{ id: 4 }]);
});

rollbackTest("lets requests and tasks take turns", async (bed) => {
  const { scope, app, stored } = bed;
  await withRollback(scope, async (db, Session) => {
    await db.begin();
    const answers = await Promise.all(
      Array.from(
        { length: 20 },
        (_, id) =>
          app.request(`/notes/${id}${id % 2 ? "?status=409" : ""}`, {
            method: "POST",
          }),
      ),
    );
    assertEquals(
      answers.map(({ status }) => status),
      Array.from({ length: 20 }, (_, id) => id % 2 ? 409 : 201),
    );
    await mapTasks(Session, [101, 102, 103], async (own, id) => {
      await own.execute(`insert into notes values (${id})`);
    }, { concurrency: 3 });
    assertEquals(await ids(db), [
      ...Array.from({ length: 10 }, (_, at) => at * 2),
      ...[101, 102, 103],
    ]);
    await db.rollback();
    assertEquals((await ids(db)).length, 13);
  });
  assertEquals(await stored(), []);
});

rollbackTest(
  "keeps what the test does beside an inner session",
  async (bed) => {
    const { scope } = bed;
    await withRollback(scope, async (db, Session) => {
      await db.execute("insert into notes values (1)");
      const inner = Session();
      await inner.execute("insert into notes values (2)");
      // It waits for its turn: the inner one's rollback would undo it.
      const beside = db.execute("insert into notes values (3)").then(() => {});
      await inner.rollback();
      await beside;
      assertEquals(await ids(db), [1, 3]);
      await inner.close();
    });
  },
);

rollbackTest("nests what waits for each other", async (bed) => {
  const { scope, stored } = bed;
  await withRollback(scope, async () => {
    await scope.begin(async (outer) => {
      await outer.execute("insert into notes values (1)");
      await assertRejects(() =>
        scope.begin(async (inner) => {
          await inner.execute("insert into notes values (2)");
          throw new Error("of the user");
        }, { propagation: "requiresNew" })
      );
      await scope.begin(
        (inner) => inner.execute("insert into notes values (3)"),
        {
          propagation: "requiresNew",
        },
      );
    });
    assertEquals(await ids(scope.db), [1, 3]);
  });
  assertEquals(await stored(), []);
});

rollbackTest("as a test function passes on what fails", async (bed) => {
  const { scope, stored } = bed;
  await rolledBack(scope, async (db) => {
    await db.execute("insert into notes values (1)");
    await db.commit();
  })();
  const failing = rolledBack(scope.Session, async (db) => {
    await db.execute("insert into notes values (1)");
    throw new Error("the assertion");
  });
  await assertRejects(failing, Error, "the assertion");
  assertEquals(await stored(), []);
});

rollbackTest("takes along who uses the session factory itself", async (bed) => {
  const { scope, stored } = bed;
  // As another module exports it.
  const { Session } = scope;
  await withRollback(scope, async (db) => {
    await mapTasks(
      Session,
      [1, 2],
      (own, id) => own.execute(`insert into notes values (${id})`),
    );
    await Session.begin((own) => own.execute("insert into notes values (3)"));
    await using own = Session();
    assertEquals(await ids(own), [1, 2, 3]);
    await own.commit();
    assertEquals(await ids(db), [1, 2, 3]);
    // Its own factory in its place is no circle.
    assertEquals(scope.using(Session, () => Session()).state, "idle");
  });
  assertEquals(await stored(), []);
});

rollbackTest("waits at its end for work behind a response", async (bed) => {
  const { scope, app, stored } = bed;
  const seen: unknown[] = [];
  app.post("/behind", (c) => {
    background(c, scope, async (db) => {
      // Until the test's own function has ended, if it waits for nothing.
      await new Promise((resolve) => setTimeout(resolve));
      await db.execute("insert into notes values (5)");
      seen.push(...await ids(db));
    });
    return c.text("later");
  });
  await withRollback(scope, async () => {
    await app.request("/behind", { method: "POST" });
  });
  assertEquals(seen, [5]);
  await withRollback(scope, async (db, { engine }) => {
    await app.request("/behind", { method: "POST" });
    await engine.idle();
    assertEquals(await ids(db), [5]);
  });
  assertEquals(await stored(), []);
});

rollbackTest("says which session the test has forgotten", async (bed) => {
  const { scope, stored } = bed;
  const Session = scope.Session;
  let forgotten: Session | undefined;
  const error = await assertRejects(
    () =>
      withRollback(Session, async (db, Session) => {
        await db.execute("insert into notes values (1)");
        forgotten = Session({ name: "the forgotten one" });
        await forgotten.execute("insert into notes values (2)");
      }),
    PoolError,
    '"the forgotten one" is in a transaction',
  );
  assertEquals(error.code, "POOL_TIMEOUT");
  // The connection is somebody else's now.
  await assertRejects(
    async () => await forgotten?.execute("insert into notes values (3)"),
    PoolError,
    "has ended",
  );
  await forgotten?.close();
  assertEquals(await stored(), []);
});

rollbackTest("takes sessions without transactions along", async (bed) => {
  const { engine } = bed.scope.Session;
  const transaction = { isolationLevel: "autocommit" } as const;
  const Session = sessionmaker(engine.with({ transaction }));
  await withRollback(Session, async (db) => {
    await db.execute("insert into notes values (1)");
    await assertRejects(async () => {
      await db.execute("insert into notes values (1)");
    }, IntegrityError);
    assertEquals(await ids(db), [1]);
    await db.rollback();
    assertEquals(await ids(db), [1]);
  });
  assertEquals(await bed.stored(), []);
});

rollbackTest("ends a session's settings with its transaction", async (bed) => {
  const { engine } = bed.scope.Session;
  const claims = (user: string) =>
    sessionmaker(engine, {
      hooks: { afterBegin: () => ({ "app.user": user }) },
    });
  async function userOf(db: Session): Promise<unknown> {
    const { rows } = await db.execute(
      "select current_setting('app.user', true) as user",
    );
    return rows[0]?.user;
  }
  await withRollback(claims("u-1"), async (db, Claiming) => {
    // What nobody has set is as it is after a real commit: empty.
    const Plain = sessionmaker(Claiming.engine);
    assertEquals(await Claiming.begin(userOf), "u-1");
    assertEquals(await Plain.begin(userOf), "");
    assertEquals(await userOf(db), "u-1");
    const Other = sessionmaker(Claiming.engine, {
      hooks: { afterBegin: () => ({ "app.user": "u-2" }) },
    });
    assertEquals(await Other.begin(userOf), "u-2");
    assertEquals(await userOf(db), "u-1");
    await db.rollback();
    assertEquals(await Plain.begin(userOf), "");
  });
});

Deno.test("withRollback() does not reach through a server", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id int primary key)",
  });
  await using engine = createEngine(postgres(database.url));
  const scope = scopedSession(sessionmaker(engine));
  const app = new Hono();
  app.use(dbSession(scope));
  app.post("/notes", async (c) => {
    await scope.db.execute("insert into notes values (1)");
    return c.text("made");
  });
  await withRollback(scope, async (db) => {
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      app.fetch,
    );
    const url = `http://127.0.0.1:${server.addr.port}/notes`;
    assertEquals(await (await fetch(url, { method: "POST" })).text(), "made");
    // Committed for good: it is another task's.
    assertEquals(await ids(db), [1]);
  });
  assertEquals(await database.query("select id from notes"), [{ id: 1 }]);
});
