import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Context, Hono } from "hono";
import {
  createEngine,
  mapTasks,
  NullPool,
  PoolError,
  QueuePool,
  sessionmaker,
} from "../../mod.ts";
import {
  dbSession,
  type SessionVariables,
  transactional,
} from "../../src/hono/mod.ts";
import { pglite } from "../../src/pglite/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testPGlite } from "../support/pglite.ts";
import { testDatabase } from "../support/postgres.ts";

Deno.test("a request that reads, then maps tasks on its only connection, is refused at once", async () => {
  await using lite = await testPGlite();
  await using engine = createEngine(pglite(lite));
  const Session = sessionmaker(engine);
  const scope = scopedSession(Session);
  const { db } = scope;
  const app = new Hono();
  app.use(dbSession(scope));
  app.get("/:commit", async (c) => {
    await db.execute("select 1");
    if (c.req.param("commit") === "first") await db.commit();
    const ones = await mapTasks(
      Session,
      [1, 2],
      async (own) => (await own.execute("select 1 as one")).rows[0]?.one,
    );
    return c.json(ones);
  });
  app.onError((error, c) =>
    c.json({
      code: error instanceof PoolError && error.code,
      message: error.message,
    }, 500)
  );
  const refused = await app.request("/never");
  const { code, message } = await refused.json();
  assertEquals(code, "POOL_SELF_DEADLOCK");
  assert(message.includes('"task 0"'), message);
  assert(message.includes('"a GET request"'), message);
  assertEquals(await (await app.request("/first")).json(), [1, 1]);
});

Deno.test("a handler inside a request on its only connection is refused at once", async () => {
  await using lite = await testPGlite();
  await using engine = createEngine(pglite(lite));
  const Session = sessionmaker(engine);
  // Which is called `db`, and has nothing to do with it.
  const Other = sessionmaker(createEngine(recordingDriver()));
  type Variables =
    & SessionVariables
    & SessionVariables<Record<string, never>, "orm">;
  const app = new Hono<{ Variables: Variables }>();
  app.onError((error, c) =>
    c.text(error instanceof PoolError ? error.code : error.message, 500)
  );
  app.use(dbSession(Other));
  app.use(dbSession(Session, { key: "orm" }));
  app.use(async (c, next) => {
    await c.var.orm.execute("create table held (n int)");
    await next();
  });
  const read = async (c: Context<{ Variables: SessionVariables }>) => {
    await c.var.db.execute("select 1");
    return c.text("read");
  };
  app.get("/inner", dbSession(Session), read);
  app.get("/handler", transactional(Session, read));
  app.get("/scope", dbSession(scopedSession(Session)), read);
  for (const path of ["/inner", "/handler", "/scope"]) {
    const response = await app.request(path);
    assertEquals(await response.text(), "POOL_SELF_DEADLOCK");
  }
});

Deno.test("nested scopes on a pool of one are refused, on two they work", async () => {
  await using database = await testDatabase();
  for (
    const pools of [
      (size: number) => (driver: ConstructorParameters<typeof NullPool>[0]) =>
        new NullPool(driver, { maxOpen: size }),
      (size: number) => (driver: ConstructorParameters<typeof NullPool>[0]) =>
        new QueuePool(driver, { poolSize: size, maxOverflow: 0 }),
    ]
  ) {
    for (const size of [1, 2]) {
      await using engine = createEngine(postgres(database.url), {
        pool: pools(size),
      });
      const scope = scopedSession(sessionmaker(engine));
      const nested = () =>
        scope.run(async (outer) => {
          await outer.execute("select 1");
          return await scope.run((inner) =>
            inner.execute("select 2 as two").then(({ rows }) => rows)
          );
        });
      if (size === 1) {
        const error = await assertRejects(nested, PoolError);
        assertEquals(error.code, "POOL_SELF_DEADLOCK");
      } else {
        assertEquals(await nested(), [{ two: 2 }]);
      }
      await engine.idle();
      assertEquals(engine.status().checkedOut, 0);
    }
  }
  await database.waitFor(async () => await database.connections() === 0);
});
