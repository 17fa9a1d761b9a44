import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type Context, Hono } from "hono";
import {
  createEngine,
  type Session as DbSession,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import {
  background,
  dbSession,
  type SessionVariables,
  streamSession,
  transactional,
} from "../../src/hono/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { insert, post, requestTest } from "./request_bed.ts";

requestTest(
  "scope.begin() joins the request from its first statement on",
  async ({ Session, rollbacks, stored }) => {
    const scope = scopedSession(Session);
    const app = new Hono<{ Variables: SessionVariables }>();
    app.use(dbSession(scope));
    app.post("/:n", async (c) => {
      const n = c.req.param("n");
      assert(scope.current.inTransaction);
      await scope.begin((db) => insert(db, n));
      if (n === "13") throw new Error("behind the block");
      return c.text("stored", 201);
    });
    app.onError((error, c) => c.text(error.message, 500));
    const failed = await post(app, "/13");
    assertEquals(await failed.text(), "behind the block");
    assertEquals(await stored(), []);
    assertEquals(rollbacks.map(({ changes }) => changes), [1]);
    assertEquals((await post(app, "/1")).status, 201);
    assertEquals(await stored(), [1]);
  },
);

requestTest(
  "a scope.begin() that nobody awaited does not answer 200",
  async ({ Session, stored }) => {
    const scope = scopedSession(Session);
    const app = new Hono<{ Variables: SessionVariables }>();
    let told: Promise<unknown> = Promise.resolve();
    const goOn = Promise.withResolvers<void>();
    app.onError((error, c) =>
      c.text("code" in error ? `${error.code}` : error.message, 500)
    );
    app.use(dbSession(scope));
    app.post("/", async (c) => {
      const begun = Promise.withResolvers<void>();
      told = scope.begin(async () => {
        await insert(scope.db, 1);
        begun.resolve();
        await goOn.promise;
        await insert(scope.db, 2);
      }).catch((error) => error.code);
      await begun.promise;
      return c.text("ok");
    });
    const response = await post(app, "/");
    goOn.resolve();
    assertEquals([response.status, await response.text()], [
      500,
      "SESSION_BUSY",
    ]);
    assertEquals([await told, await stored()], ["SESSION_CLOSED", []]);
  },
);

requestTest(
  "mounted twice, the outer one's session is back behind the inner",
  async ({ Session, stored }) => {
    const app = new Hono<{ Variables: SessionVariables }>();
    const returned: boolean[] = [];
    app.use(dbSession(Session));
    app.use(async (c, next) => {
      const outer = c.get("db");
      await next();
      returned.push(c.get("db") === outer);
      await insert(c.get("db"), 100);
    });
    app.use(dbSession(Session));
    app.post("/:n", async (c) => {
      const n = c.req.param("n");
      await insert(c.get("db"), n);
      if (n === "13") throw new Error("undo 13");
      return c.text("stored");
    });
    app.onError((error, c) => c.text(error.message, 500));
    assertEquals((await post(app, "/1")).status, 200);
    assertEquals(await stored(), [1, 100]);
    assertEquals(returned, [true]);
    assertEquals((await post(app, "/13")).status, 500);
    assertEquals(returned, [true, true]);
    assertEquals(await stored(), [1, 100]);
  },
);

requestTest(
  "scope.begin() joins with options, or is refused",
  async ({ Session, stored }) => {
    const scope = scopedSession(Session);
    const app = new Hono<{ Variables: SessionVariables }>();
    app.use(dbSession(scope));
    app.post("/:n", async (c) => {
      const level = await scope.begin(async (db) => {
        await insert(db, c.req.param("n"));
        const { rows } = await db.execute("show transaction_isolation");
        return rows[0]?.transaction_isolation;
      }, { isolationLevel: "serializable" });
      const error = await assertRejects(
        () => scope.begin(() => Promise.resolve(), { readOnly: true }),
        StateError,
      );
      return c.text(`${level}, ${error.code}`);
    });
    app.onError((error, c) => c.text(error.message, 500));
    const answer = await post(app, "/1");
    assertEquals(await answer.text(), "serializable, TRANSACTION_OPEN");
    assertEquals(await stored(), [1]);
  },
);

requestTest("tells late work what to do instead", async ({ Session }) => {
  const scope = scopedSession(Session);
  const late: Promise<unknown>[] = [];
  const app = new Hono().use(dbSession(scope)).get("/", (c) => {
    const { closed } = scope.current;
    late.push(closed.then(() => scope.db.execute("select 1")));
    return c.text("answered");
  });
  await app.request("/");
  const error = await assertRejects(() => Promise.all(late), StateError);
  assertEquals(error.code, "SESSION_CLOSED");
  assertStringIncludes(error.message, "use background()");

  // Whose task was no request is told otherwise.
  const lateRun = await scope.run((db) =>
    Promise.resolve([db.closed.then(() => scope.db.execute("select 1"))])
  );
  const other = await assertRejects(() => Promise.all(lateRun), StateError);
  assertStringIncludes(other.message, "open another one");
});

Deno.test("requests and tasks in turn make no more sessions than there are of them", async () => {
  const engine = createEngine(recordingDriver());
  const scope = scopedSession(sessionmaker(engine));
  let opened = 0;
  engine.on("sessionOpen", () => opened++);
  const app = new Hono();
  app.use(dbSession(scope));
  app.get("/", (c) => c.text("nothing"));
  for (let round = 0; round < 10; round++) {
    await app.request("/");
    await scope.run(() => Promise.resolve());
  }
  await engine.idle();
  assertEquals(opened, 20);
});

requestTest(
  "sessions of a scope may use those around them, whoever else is there",
  async ({ Session }) => {
    const scope = scopedSession(Session);
    type Names = "db" | "outer" | "inner";
    const app = new Hono<{ Variables: Record<Names, DbSession> }>();
    const readAll = async (
      c: Context<{ Variables: Record<Names, DbSession> }>,
    ) => {
      assertEquals(scope.current, c.var.inner);
      for (const db of [c.var.db, c.var.outer, c.var.inner]) {
        await db.execute("select 1");
      }
      return c.text("read");
    };
    app.onError((error, c) => c.text(error.message, 500));
    app.use(dbSession(Session));
    const inner = transactional(scope, readAll, { key: "inner" });
    app.get("/middleware", dbSession(scope, { key: "outer" }), inner);
    app.get("/run", (c, next) =>
      scope.run(async (db) => {
        c.set("outer", db);
        await next();
      }), inner);
    for (const path of ["/middleware", "/run"]) {
      assertEquals(await (await app.request(path)).text(), "read");
    }
  },
);

requestTest("onError stores what stays", async ({ Session, stored }) => {
  const scope = scopedSession(Session);
  const app = new Hono().use(dbSession(scope));
  app.get("/thrown", async () => {
    await insert(scope.db, 1);
    throw new Error("thrown");
  });
  // Who refuses it is the commit, behind the middleware.
  app.get("/refused", async (c) => {
    await insert(scope.db, 1);
    await insert(scope.db, 1);
    return c.text("not yet refused");
  });
  let failures = 10;
  app.onError(async (_, c) => {
    await scope.begin(() => insert(scope.db, failures++), {
      propagation: "requiresNew",
    });
    return c.text("failed", 500);
  });
  assertEquals((await app.request("/thrown")).status, 500);
  assertEquals((await app.request("/refused")).status, 500);
  assertEquals(await stored(), [10, 11]);
});

requestTest(
  "leaves the db of a scope alone that somebody has put into the context",
  async ({ Session, engine, stored }) => {
    const scope = scopedSession(Session);
    for (const key of ["db", "orm"] as const) {
      const app = new Hono<{ Variables: Record<"db" | "orm", DbSession> }>();
      app.use(async (c, next) => {
        c.set(key, scope.db);
        await next();
      });
      app.post("/transactional", transactional(Session, read));
      app.post("/middleware", dbSession(scope), (c) => {
        background(c, scope, (db) => insert(db, key === "db" ? 1 : 2));
        return read(c);
      });
      app.post("/nobody", (c) => streamSession(c, Session, () => read(c)));
      for (const path of ["/transactional", "/middleware", "/nobody"]) {
        const response = await app.request(path, { method: "POST" });
        assertEquals(await response.text(), "read");
        await engine.idle();
      }
    }
    assertEquals(await stored(), [1, 2]);
  },
);

function read(c: Context): Response {
  return c.text("read");
}
