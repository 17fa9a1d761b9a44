import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  createEngine,
  ScopeError,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { numbers, scopeTest, stored } from "./scope_bed.ts";

/** A registry whose scope is whatever was named last. */
function keyedScope() {
  const driver = recordingDriver();
  const current: { key: unknown } = { key: undefined };
  const scope = scopedSession(sessionmaker(createEngine(driver)), {
    scope: () => current.key,
  });
  return { scope, driver, current };
}

Deno.test("scopedSession({ scope }) keeps a session per key", async () => {
  const { scope, current } = keyedScope();
  const keys = [{ request: 1 }, { request: 2 }, "a task", 7];
  const sessions = keys.map((key) => {
    current.key = key;
    return scope.current;
  });
  assertEquals(new Set(sessions).size, keys.length);
  for (const [at, key] of keys.entries()) {
    current.key = key;
    assert(scope.current === sessions[at]);
    await scope.db.execute("select 1");
    assert(sessions[at]?.inTransaction);
    await scope.close();
  }
  current.key = undefined;
  await assertRejects(
    async () => await scope.db.execute("select 1"),
    ScopeError,
  );
  assert(sessions.every(({ state }) => state === "closed"));
});

Deno.test("scopedSession.close() rolls back and forgets, in its own scope only", async () => {
  const { scope, driver, current } = keyedScope();
  current.key = "other";
  const other = scope.current;
  current.key = "mine";
  await scope.close(); // There is none yet.
  assertEquals(driver.log, []);
  const first = scope.current;
  await scope.db.execute("insert into t values (1)");
  await scope.close();
  assertEquals(driver.log.slice(-2), ["rollback", "close"]);
  assertEquals([first.state, other.state], ["closed", "idle"]);
  assert(scope.current !== first);
  await scope.close();
});

Deno.test("scopedSession({ scope }) has blocks, begin() and tasks inside", async () => {
  const { scope, driver, current } = keyedScope();
  current.key = {};
  const session = scope.current;
  await scope.begin(async (db) => {
    assert(db === session);
    await scope.db.transaction(() =>
      scope.db.execute("select 1").then(() => {})
    );
  });
  await scope.run((inner) => {
    assert(inner !== session && scope.current === inner);
    return Promise.resolve();
  });
  assert(scope.current === session);
  await scope.close();
  assertEquals(driver.log, [
    "connect",
    "begin isolation level read committed; savepoint nullpool_1; select 1",
    "release savepoint nullpool_1; commit",
    "close",
  ]);
});

Deno.test("scopedSession.using() has sessions of its own for each key", async () => {
  const { scope, current } = keyedScope();
  const Tenant = scope.Session.on(createEngine(recordingDriver()));
  current.key = "a task";
  const own = scope.current;
  const tenants = scope.using(Tenant, () => scope.current);
  assert(tenants !== own);
  assert(scope.current === own);
  await scope.using(Tenant, () => scope.close());
  assertEquals([own.state, tenants.state], ["idle", "closed"]);
});

Deno.test("scopedSession.close() inside run() leaves the session closed", async () => {
  const scope = scopedSession(sessionmaker(createEngine(recordingDriver())));
  await scope.close(); // Nobody is current.
  await scope.run(async (db) => {
    await scope.close();
    assertEquals(db.state, "closed");
    const error = await assertRejects(
      async () => await scope.db.execute("select 1"),
      StateError,
    );
    assertEquals(error.code, "SESSION_CLOSED");
  });
});

Deno.test("scopedSession.using() makes sessions over another engine", async () => {
  const [own, tenant] = [recordingDriver(), recordingDriver()];
  const scope = scopedSession(sessionmaker(createEngine(own)));
  const Tenant = scope.Session.on(createEngine(tenant));
  await scope.using(Tenant, async () => {
    assert(scope.Session === Tenant);
    await scope.begin((db) => db.execute("select 'tenant'"));
  });
  await scope.begin((db) => db.execute("select 'own'"));
  assertEquals(
    own.log[1],
    "begin isolation level read committed; select 'own'",
  );
  assertEquals(
    tenant.log[1],
    "begin isolation level read committed; select 'tenant'",
  );
});

scopeTest("nested scopes are apart", async (scope, database) => {
  await scope.run(async (outer) => {
    await scope.db.insert(numbers).values({ n: 1 });
    await scope.run(async (inner) => {
      assert(inner !== outer);
      assertEquals(await scope.db.select().from(numbers), []);
      await scope.db.insert(numbers).values({ n: 2 });
      await inner.commit();
    });
    assert(scope.current === outer);
    await outer.rollback();
  });
  assertEquals(await stored(database), [2]);
});

scopeTest(
  "an async generator is in the scope of its consumer",
  async (scope) => {
    async function* sessions() {
      for (;;) yield await Promise.resolve(scope.current);
    }
    const made = await scope.run(() => Promise.resolve([sessions()]));
    const [generator] = made;
    assert(generator);
    await assertRejects(() => generator.next(), ScopeError);

    await scope.run(async (owner) => {
      const inside = sessions();
      const next = scope.bind(() => inside.next());
      await scope.run(async (consumer) => {
        const { value } = await sessions().next();
        assert(value === consumer);
        assert((await next()).value === owner);
      });
    });
  },
);

scopeTest("run() closes whatever became of the task", async (scope) => {
  const kept: { state: string }[] = [];
  const thrown = new Error("of the user");
  const caught = await assertRejects(() =>
    scope.run(async (db) => {
      kept.push(db);
      await db.execute("select 1");
      throw thrown;
    })
  );
  assert(caught === thrown);
  await scope.run(async (db) => {
    kept.push(db);
    await db.execute("no sql").catch(() => {});
  });
  assertEquals(kept.map(({ state }) => state), ["closed", "closed"]);
});

Deno.test("scopedSession.close() is enough after a failure", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url));
  const scope = scopedSession(sessionmaker(engine), { scope: () => "a task" });
  await assertRejects(async () => await scope.db.execute("no sql"));
  await assertRejects(
    async () => await scope.db.execute("select 1"),
    StateError,
  );
  await scope.close();
  await scope.db.execute("select 1");
  await scope.close();
});

Deno.test("scopedSession gives each session options of its own", async () => {
  const driver = recordingDriver();
  const scope = scopedSession(sessionmaker(createEngine(driver)));
  const transaction = { readOnly: true };
  await scope.run((db) => db.execute("select 1"), { transaction });
  await scope.begin((db) => db.execute("select 2"), transaction);
  await scope.run((db) => db.execute("select 3"));
  assertEquals(driver.log.filter((entry) => entry.startsWith("begin")), [
    "begin isolation level read committed read only; select 1",
    "begin isolation level read committed read only; select 2",
    "begin isolation level read committed; select 3",
  ]);
});
