import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { sql } from "drizzle-orm";
import { type Context, Hono, type Next } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { timeout } from "hono/timeout";
import {
  createEngine,
  type Engine,
  IntegrityError,
  NullPool,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { dbSession, type SessionVariables } from "../../src/hono/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { insert, post, requestTest } from "./request_bed.ts";

requestTest("commits before the response leaves", async ({ app, stored }) => {
  const response = await post(app, "/1");
  assertEquals(response.status, 201);
  assertEquals(await stored(), [1]);
  const list = await app.request("/");
  assertEquals(await list.json(), [{ n: 1 }]);
});

requestTest(
  "opens no connection for a request without a query",
  async (bed) => {
    const connects: unknown[] = [];
    bed.engine.on("connect", (event) => connects.push(event));
    bed.app.get("/plain", (c) => c.text("plain"));
    assertEquals((await bed.app.request("/plain")).status, 200);
    assertEquals((await bed.app.request("/no/such/handler")).status, 404);
    assertEquals(connects, []);
  },
);

requestTest("serves HEAD as GET", async ({ app }) => {
  const response = await app.request("/", { method: "HEAD" });
  assertEquals(response.status, 200);
  assertEquals(await response.text(), "");
});

requestTest("rolls back when the handler threw", async (bed) => {
  const { app, stored, rollbacks } = bed;
  app.post("/throw/:what", async (c) => {
    await insert(c.var.db, 1);
    switch (c.req.param("what")) {
      case "error":
        throw new Error("no");
      case "http":
        throw new HTTPException(418);
      case "string":
        // deno-lint-ignore no-throw-literal -- what this test is about
        throw "a string";
      default:
        throw { status: 400 };
    }
  });
  assertEquals((await post(app, "/throw/error")).status, 500);
  assertEquals((await post(app, "/throw/http")).status, 500);
  // Hono lets what is no Error reject through everything.
  for (const what of ["string", "object"]) {
    const thrown = await Promise.resolve(post(app, `/throw/${what}`))
      .then(() => undefined, (error: unknown) => error);
    assert(thrown !== undefined);
  }
  assertEquals(await stored(), []);
  assertEquals(
    rollbacks.map(({ reason, changes }) => [reason, changes]),
    Array(4).fill(["the handler threw", 1]),
  );
});

requestTest("rolls back what a sub-app's onError answered", async (bed) => {
  const { app, stored } = bed;
  const sub = new Hono<{ Variables: SessionVariables }>();
  sub.post("/fail", async (c) => {
    await insert(c.var.db, 1);
    throw new Error("no");
  });
  sub.onError((_, c) => c.text("handled", 200));
  app.route("/sub", sub);
  const response = await post(app, "/sub/fail");
  assertEquals(response.status, 200);
  assertEquals(await stored(), []);
});

requestTest("rolls back a mounted handler by its status", async (bed) => {
  const { app, stored, Session } = bed;
  const mounted = new Hono();
  const scope = scopedSession(Session);
  app.use("/mounted/*", dbSession(scope));
  mounted.post("/:status", async (c) => {
    await insert(scope.db, 1);
    return c.text("", Number(c.req.param("status")) === 500 ? 500 : 200);
  });
  app.mount("/mounted", mounted.fetch);
  assertEquals((await post(app, "/mounted/500")).status, 500);
  assertEquals(await stored(), []);
  assertEquals((await post(app, "/mounted/200")).status, 200);
  assertEquals(await stored(), [1]);
});

requestTest(
  "rolls back on a status of 400 or above, and tells",
  async (bed) => {
    const { app, stored, rollbacks } = bed;
    app.post("/status/:status", async (c) => {
      await insert(c.var.db, 1);
      await insert(c.var.db, 2);
      const status = Number(c.req.param("status"));
      return status === 0 ? Response.error() : new Response("", { status });
    });
    for (const status of [404, 500, 0]) await post(app, `/status/${status}`);
    assertEquals(await stored(), []);
    assertEquals(rollbacks.map(({ reason, changes }) => [reason, changes]), [
      ["response status 404", 2],
      ["response status 500", 2],
      ["response status 0", 2],
    ]);
    await post(app, "/status/399");
    assertEquals(await stored(), [1, 2]);
  },
);

requestTest(
  "commits nothing for a handler that does not answer",
  async (bed) => {
    const { Session, stored, rollbacks } = bed;
    let asked = 0;
    const app = new Hono<{ Variables: SessionVariables }>();
    app.onError((error, c) => c.text(`${error.name}: ${error.message}`, 500));
    app.use(dbSession(Session, { commitWhen: () => ++asked > 0 }));
    app.post("/:n", async (c) => void await insert(c.var.db, c.req.param("n")));
    const response = await post(app, "/1");
    assertEquals([response.status, await response.text()], [
      500,
      "TypeError: Cannot answer a POST request: its handler returned no Response; a middleware that makes one has to run inside of the session",
    ]);
    assertEquals([asked, await stored()], [0, []]);
    assertEquals(rollbacks.map(({ reason }) => reason), [
      "the handler did not answer",
    ]);
  },
);

requestTest("keeps what the handler committed itself", async (bed) => {
  const { app, stored } = bed;
  app.post("/own/:n", async (c) => {
    await insert(c.var.db, 1);
    await c.var.db.commit();
    await insert(c.var.db, 2);
    throw new Error("too late for 1");
  });
  await post(app, "/own/1");
  assertEquals(await stored(), [1]);
});

requestTest("rolls back on setRollbackOnly()", async ({ app, stored }) => {
  app.post("/only/:n", async (c) => {
    await insert(c.var.db, 1);
    c.var.db.setRollbackOnly();
    return c.text("fine");
  });
  assertEquals((await post(app, "/only/1")).status, 200);
  assertEquals(await stored(), []);
});

requestTest("asks commitWhen", async ({ Session, stored }) => {
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(Session, {
    commitWhen: (c) => c.res.headers.get("x-commit") === "yes",
  }));
  app.post("/:n", async (c) => {
    await insert(c.var.db, c.req.param("n"));
    c.header("x-commit", c.req.param("n") === "1" ? "yes" : "no");
    return c.text("", 404);
  });
  await post(app, "/1");
  await post(app, "/2");
  assertEquals(await stored(), [1]);
});

requestTest("transaction(fn) in a handler is a savepoint", async (bed) => {
  const { app, stored, database } = bed;
  app.post("/nested/:n", async (c) => {
    await c.var.db.transaction((tx) =>
      tx.execute("insert into kept values (1)")
    );
    await assertRejects(() =>
      c.var.db.transaction(async (tx) => {
        await tx.execute("insert into kept values (2)");
        tx.rollback();
      })
    );
    return c.text("rolled back all the same", 400);
  });
  await post(app, "/nested/1");
  assertEquals(await stored(), []);
  const commits = (await database.log()).filter((text) => text === "commit");
  assertEquals(commits, []);
});

requestTest(
  "a handler may choose the isolation of its request",
  async (bed) => {
    bed.app.get("/isolation", async (c) => {
      await c.var.db.begin({ isolationLevel: "serializable" });
      const { rows } = await c.var.db.execute("show transaction_isolation");
      return c.json(rows);
    });
    const response = await bed.app.request("/isolation");
    assertEquals(await response.json(), [{
      transaction_isolation: "serializable",
    }]);
  },
);

requestTest("a failed commit replaces the response", async (bed) => {
  const { database, Session, stored } = bed;
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(cors({ origin: "https://desk.example" }));
  app.use(async (c, next) => {
    await next();
    c.header("x-outer", String(c.error?.name));
  });
  app.use(dbSession(Session));
  app.post("/:how", async (c) => {
    await insert(c.var.db, 1);
    await insert(c.var.db, 1);
    c.header("Set-Cookie", "order=1");
    c.header("HX-Redirect", "/orders/1");
    if (c.req.param("how") === "raw") {
      return new Response("done", {
        status: 201,
        headers: { location: "/orders/1", "set-cookie": "raw=1" },
      });
    }
    return c.redirect("/orders/1", 303);
  });
  app.onError((error, c) => c.text(`failed: ${error.name}`, 500));
  for (const how of ["redirect", "raw"]) {
    const response = await app.request(`/${how}`, {
      method: "POST",
      headers: { origin: "https://desk.example" },
    });
    assertEquals(response.status, 500);
    assertEquals(await response.text(), "failed: IntegrityError");
    assertEquals(response.headers.get("location"), null);
    assertEquals(response.headers.getSetCookie(), []);
    assertEquals(response.headers.get("hx-redirect"), null);
    assertEquals(response.headers.get("x-outer"), "IntegrityError");
    assertEquals(
      response.headers.get("access-control-allow-origin"),
      "https://desk.example",
    );
  }
  assertEquals(await stored(), []);
  // It says why it failed before it has ended.
  await database.waitFor(async () => await database.openTransactions() === 0);
});

requestTest("a commitWhen that throws replaces the response", async (bed) => {
  const { Session, stored } = bed;
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(Session, {
    commitWhen() {
      throw new Error("undecided");
    },
  }));
  app.post("/once", async (c) => {
    await insert(c.var.db, 1);
    c.header("Set-Cookie", "order=1");
    return c.redirect("/orders/1", 303);
  });
  app.onError((error, c) => c.text(`failed: ${error.message}`, 500));
  const response = await post(app, "/once");
  assertEquals(response.status, 500);
  assertEquals(await response.text(), "failed: undecided");
  assertEquals(response.headers.get("location"), null);
  assertEquals(response.headers.getSetCookie(), []);
  assertEquals(await stored(), []);
});

requestTest("onError makes the response of a failed commit", async (bed) => {
  const { Session, stored } = bed;
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(Session, {
    onError: (error, c) => {
      assert(error instanceof IntegrityError);
      return c.json({ constraint: error.constraint }, 409);
    },
  }));
  app.post("/twice", async (c) => {
    await insert(c.var.db, 1);
    await insert(c.var.db, 1);
    return c.redirect("/orders/1");
  });
  const response = await post(app, "/twice");
  assertEquals(response.status, 409);
  assertEquals(await response.json(), { constraint: "kept_n_key" });
  assertEquals(response.headers.get("location"), null);
  assertEquals(await stored(), []);
});

requestTest("a swallowed failure does not answer 200", async (bed) => {
  const { app, stored } = bed;
  app.post("/swallow/:n", async (c) => {
    await insert(c.var.db, 1);
    await c.var.db.execute("select * from nowhere").catch(() => {});
    return c.text("fine");
  });
  const response = await post(app, "/swallow/1");
  assertEquals(response.status, 500);
  assertEquals(await response.text(), "failed: StateError");
  assertEquals(await stored(), []);
});

requestTest("a statement nobody awaited does not answer 200", async (bed) => {
  const { app, stored } = bed;
  app.post("/forgotten/:n", (c) => {
    insert(c.var.db, 1).catch(() => {});
    return c.text("fine");
  });
  const response = await post(app, "/forgotten/1");
  assertEquals(response.status, 500);
  assertEquals(await stored(), []);
});

requestTest(
  "inside timeout() the session ends with the handler",
  async (bed) => {
    const { Session, stored } = bed;
    const app = new Hono<{ Variables: SessionVariables }>();
    const { promise: handlerEnded, resolve: endHandler } = Promise
      .withResolvers<string>();
    app.use(timeout(30));
    app.use(dbSession(Session));
    app.post("/slow", async (c) => {
      await insert(c.var.db, 1);
      await c.var.db.execute("select pg_sleep(0.1)");
      await insert(c.var.db, 2);
      endHandler("ended");
      return c.text("too late", 400);
    });
    assertEquals((await post(app, "/slow")).status, 504);
    assertEquals(await handlerEnded, "ended");
    await bed.database.waitFor(async () =>
      await bed.database.connections() === 0
    );
    assertEquals(await stored(), []);
  },
);

requestTest("outside timeout() a late handler finds it closed", async (bed) => {
  const { Session, stored } = bed;
  const app = new Hono<{ Variables: SessionVariables }>();
  const { promise: late, resolve } = Promise.withResolvers<unknown>();
  app.use(dbSession(Session));
  app.use(timeout(30));
  app.post("/slow", async (c) => {
    // Whether this one was answered in time is not what is asked here.
    await insert(c.var.db, 1).catch(() => {});
    await c.var.db.closed;
    await insert(c.var.db, 2).catch(resolve);
    throw new Error("too late");
  });
  assertEquals((await post(app, "/slow")).status, 504);
  const error = await late;
  assert(error instanceof StateError);
  assertEquals(error.code, "SESSION_CLOSED");
  assertEquals(await stored(), []);
});

requestTest(
  "a session used by the response's stream is closed",
  async (bed) => {
    const { app } = bed;
    app.get("/stream", (c) => {
      const { db } = c.var;
      return c.body(
        new ReadableStream({
          async pull(controller) {
            const text = await db.execute("select 1").then(
              () => "open",
              (error: StateError) => error.code,
            );
            controller.enqueue(new TextEncoder().encode(text));
            controller.close();
          },
        }, { highWaterMark: 0 }),
      );
    });
    const response = await app.request("/stream");
    assertEquals(await response.text(), "SESSION_CLOSED");
  },
);

requestTest("hands closing to waitUntil where there is one", async (bed) => {
  const { app, stored } = bed;
  const work: Promise<unknown>[] = [];
  const executionCtx = {
    waitUntil: (promise: Promise<unknown>) => void work.push(promise),
    passThroughOnException() {},
    props: {},
  };
  app.post("/context/:n", async (c) => {
    assertEquals(work.length, 0);
    const inserted = insert(c.var.db, 1);
    // Registered when the session is used: it survives a disconnect.
    assertEquals(work.length, 1);
    await inserted;
    return c.text("stored");
  });
  await app.request("/context/1", { method: "POST" }, {}, executionCtx);
  assertEquals(await stored(), [1]);
  assertEquals(work.length, 2);
  await Promise.all(work);
});

requestTest(
  "the context variable has the name that was asked for",
  async (bed) => {
    const { Session } = bed;
    const app = new Hono()
      .use(dbSession(Session, { key: "reader" }))
      .get("/", async (c) => {
        const { rows } = await c.var.reader.execute("select 1 as one");
        return c.json(rows);
      });
    assertEquals(await (await app.request("/")).json(), [{ one: 1 }]);
  },
);

requestTest("a scoped db belongs to the request", async (bed) => {
  const { Session, stored } = bed;
  const scope = scopedSession(Session);
  const { db } = scope;
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(scope));
  app.post("/:n", async (c) => {
    assert(scope.current === c.var.db);
    await db.transaction(async () => {
      await insert(db, c.req.param("n"));
    });
    return c.text("", c.req.param("n") === "13" ? 500 : 200);
  });
  await Promise.all(
    Array.from({ length: 20 }, (_, n) => post(app, `/${n}`)),
  );
  assertEquals((await stored()).length, 19);
  await assertRejects(() => insert(db, 99), StateError, "scope");
});

requestTest("a late handler's error does not replace the 504", async (bed) => {
  const app = new Hono<{ Variables: SessionVariables }>();
  const answers: number[] = [];
  app.use(async (c, next) => {
    await next();
    answers.push(c.res.status);
  });
  app.use(dbSession(bed.Session));
  app.use(timeout(100));
  app.post("/slow", async (c) => {
    await c.var.db.execute("select pg_sleep(0.2)").catch(() => {});
    throw new Error("behind the 504, while the session closes");
  });
  app.onError((error, c) =>
    error instanceof HTTPException
      ? error.getResponse()
      : c.text("the late error", 500)
  );
  assertEquals((await post(app, "/slow")).status, 504);
  assertEquals(answers, [504]);
});

Deno.test("dbSession memoises engines per key", async () => {
  await using one = await testDatabase();
  await using two = await testDatabase();
  const urls: Record<string, string> = { one: one.url, two: two.url };
  const made: Engine[] = [];
  const app = new Hono();
  app.use("/:tenant", async (c: Context, next: Next) => {
    c.set("tenant", c.req.param("tenant"));
    await next();
  });
  app.get(
    "/:tenant",
    dbSession({
      key: (c) => c.req.param("tenant") ?? "",
      engine: (c) => {
        const url = urls[c.req.param("tenant") ?? ""];
        const engine = createEngine(postgres(() => url));
        made.push(engine);
        return engine;
      },
    }),
    async (c) => {
      const { rows } = await c.var.db.execute("select current_database() as d");
      return c.json(rows);
    },
  );
  for (let i = 0; i < 3; i++) {
    const first = await (await app.request("/one")).json();
    const second = await (await app.request("/two")).json();
    assertEquals([first, second], [[{ d: one.name }], [{ d: two.name }]]);
  }
  assertEquals(made.length, 2);
  for (const engine of made) await engine.dispose();
});

Deno.test("dbSession takes a source of a class, with what else it has", async () => {
  class Tenants {
    readonly engines = [createEngine(recordingDriver())];
    get requireClaims(): boolean {
      return true;
    }
    key(): string {
      return "";
    }
    engine(): Engine {
      const [engine] = this.engines;
      assert(engine);
      return engine;
    }
  }
  const app = new Hono();
  app.onError((error, c) => c.text(error.message, 500));
  app.get("/", dbSession(new Tenants()), async (c) => {
    await c.var.db.execute("select 1");
    return c.text("read");
  });
  const response = await app.request("/");
  assertStringIncludes(await response.text(), "has no claims");
});

Deno.test("dbSession refuses what is no source of sessions", () => {
  for (const source of [undefined, null, {}, { engine: 1 }, "url"]) {
    assertThrows(
      // @ts-expect-error: the type refuses it as well
      () => dbSession(source),
      TypeError,
      "dbSession()",
    );
  }
});

Deno.test("dbSession 200 requests at once over HTTP leave nothing", async () => {
  await using database = await testDatabase({
    setup: "create table kept (n int primary key)",
  });
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) => new NullPool(driver, { maxOpen: 40 }),
  });
  const scope = scopedSession(sessionmaker(engine));
  const { db } = scope;
  const app = new Hono();
  app.use(dbSession(scope));
  app.post("/:n", async (c) => {
    const n = Number(c.req.param("n"));
    await insert(db, n);
    if (n % 4 === 1) throw new Error("one in four fails");
    const { rows } = await db.execute(
      sql`select n from kept where xmin::text = pg_current_xact_id()::xid::text`,
    );
    return c.json(rows, n % 4 === 2 ? 422 : 200);
  });
  app.onError((_, c) => c.text("failed", 500));
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    app.fetch,
  );
  const base = `http://127.0.0.1:${server.addr.port}`;
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, n) => {
      const response = await fetch(`${base}/${n}`, { method: "POST" });
      const body = await response.text();
      return n % 4 === 1 ? response.status === 500 : body === `[{"n":${n}}]` &&
        response.status === (n % 4 === 2 ? 422 : 200);
    }),
  );
  assertEquals(answers.filter(Boolean).length, 200);
  await server.shutdown();
  await engine.idle();
  await database.waitFor(async () => await database.connections() === 0);
  assertEquals(await database.openTransactions(), 0);
  const [row] = await database.query("select count(*)::int as n from kept");
  assertEquals(row?.n, 100);
});
