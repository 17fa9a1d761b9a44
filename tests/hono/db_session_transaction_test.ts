import { assert, assertEquals, assertRejects } from "@std/assert";
import { Hono } from "hono";
import { DatabaseError, StateError } from "../../mod.ts";
import { dbSession, type SessionVariables } from "../../src/hono/mod.ts";
import { insert, post, requestTest } from "./request_bed.ts";

requestTest("runs its transactions as its option says", async (bed) => {
  const { Session, database, stored } = bed;
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(Session, { transaction: { readOnly: true } }));
  app.post("/:n", async (c) => {
    await insert(c.var.db, c.req.param("n"));
    return c.text("stored");
  });
  app.onError((error, c) => {
    assert(error instanceof DatabaseError);
    return c.text(error.sqlstate, 500);
  });
  assertEquals(await (await post(app, "/1")).text(), "25006");
  assertEquals(await stored(), []);
  assertEquals(
    (await database.log())[0],
    "begin isolation level read committed read only",
  );
});

requestTest(
  "owns what the handler begins behind a commit of its own",
  async (bed) => {
    const { app, stored, database } = bed;
    app.post("/twice/:status", async (c) => {
      const { db } = c.var;
      await insert(db, 1);
      await db.commit();
      assert(db.inTransaction);
      // A savepoint of the middleware's next transaction.
      await db.transaction((tx) => tx.execute("insert into kept values (2)"));
      await insert(db, 3);
      return c.text("", c.req.param("status") === "409" ? 409 : 200);
    });
    await post(app, "/twice/409");
    assertEquals(await stored(), [1]);
    await database.query("delete from kept");
    await post(app, "/twice/200");
    assertEquals(await stored(), [1, 2, 3]);
    const statements = await database.log();
    assertEquals(statements.slice(-8), [
      "insert into kept values ($1)",
      "commit",
      "begin isolation level read committed",
      "savepoint nullpool_1",
      "insert into kept values (2)",
      "release savepoint nullpool_1",
      "insert into kept values ($1)",
      "commit",
    ]);
  },
);

requestTest("hands no request the session of another", async (bed) => {
  const { app, stored } = bed;
  app.post("/broken/:n", async (c) => {
    await insert(c.var.db, 1);
    await insert(c.var.db, "no number").catch(() => {});
    // What comes behind it has to be told, or the loss would be silent.
    await assertRejects(() => insert(c.var.db, 2), StateError);
    return c.text("handled");
  });
  assertEquals((await post(app, "/broken/1")).status, 500);
  assertEquals((await post(app, "/5")).status, 201);
  assertEquals(await stored(), [5]);
});

requestTest("closes the session of a client that has gone", async (bed) => {
  const { app, database, stored } = bed;
  app.post("/slow/:n", async (c) => {
    const { signal } = c.req.raw;
    const gone = new Promise((resolve) => {
      signal.addEventListener("abort", resolve);
    });
    await insert(c.var.db, c.req.param("n"));
    await gone;
    // Nobody reads the answer; whether the work counts is the handler's word.
    return c.text("", c.req.param("n") === "1" ? 200 : 400);
  });
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    app.fetch,
  );
  for (const n of [1, 2]) {
    const abort = new AbortController();
    const asked = assertRejects(() =>
      fetch(`http://127.0.0.1:${server.addr.port}/slow/${n}`, {
        method: "POST",
        signal: abort.signal,
      })
    );
    await database.waitFor(async () => await database.openTransactions() === 1);
    abort.abort();
    await asked;
    await database.waitFor(async () => await database.connections() === 0);
  }
  assertEquals(await stored(), [1]);
  await server.shutdown();
});
