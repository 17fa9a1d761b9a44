import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { sql } from "drizzle-orm";
import { type Context, type ExecutionContext, Hono } from "hono";
import { stream, streamText } from "hono/streaming";
import { timeout } from "hono/timeout";
import { upgradeWebSocket } from "hono/deno";
import { type Session, StateError } from "../../mod.ts";
import {
  background,
  dbSession,
  type SessionVariables,
  streamSession,
} from "../../src/hono/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { asleep } from "../session/session_bed.ts";
import { waitFor } from "../support/postgres.ts";
import { insert, post, requestTest } from "./request_bed.ts";

type App = Hono<{ Variables: SessionVariables }>;

function appOf(): App {
  return new Hono<{ Variables: SessionVariables }>();
}

/** What a Worker's runtime gives a request. */
function executionContext() {
  const promises: Promise<unknown>[] = [];
  return {
    waited: () => Promise.allSettled(promises),
    context: {
      waitUntil: (work: Promise<unknown>) => void promises.push(work),
      passThroughOnException() {},
      props: {},
    },
  };
}

requestTest(
  "background() sees what the request has committed, and commits",
  async (bed) => {
    const { Session, stored } = bed;
    const app = appOf();
    const seen: unknown[] = [];
    app.use(dbSession(Session)).post("/", async (c) => {
      await insert(c.var.db, 1);
      background(c, Session, async (db) => {
        assert(db !== c.var.db);
        const { rows } = await db.execute("select n from kept");
        seen.push(...rows.map(({ n }) => n));
        await insert(db, 2);
      });
      return c.text("ok");
    });
    const { waited, context } = executionContext();
    const response = await app.request("/", { method: "POST" }, {}, context);
    assertEquals(response.status, 200);
    await waited();
    assertEquals([seen, await stored()], [[1], [1, 2]]);
  },
);

requestTest(
  "background() has ended, and told so, when the engine is idle",
  async ({ engine, Session }) => {
    const told: string[] = [];
    engine.on("sessionClose", ({ type }) => told.push(type));
    const app = appOf();
    app.use(dbSession(Session)).post("/", (c) => {
      background(c, Session, (db) => insert(db, 1));
      return c.text("ok");
    });
    await app.request("/", { method: "POST" });
    await engine.idle();
    assertEquals(told, ["sessionClose", "sessionClose"]);
  },
);

requestTest("background() may wait for the commit", async (bed) => {
  const { Session, engine, stored } = bed;
  const app = appOf();
  app.use(dbSession(Session)).post("/:status", async (c) => {
    await insert(c.var.db, 1);
    c.var.db.afterCommit(() =>
      background(c, Session, async (db) => void await insert(db, 2))
    );
    return c.text("done", Number(c.req.param("status")) === 200 ? 200 : 400);
  });
  assertEquals((await post(app, "/400")).status, 400);
  await engine.idle();
  assertEquals(await stored(), []);
  assertEquals((await post(app, "/200")).status, 200);
  await engine.idle();
  assertEquals(await stored(), [1, 2]);
});

requestTest(
  "background() needs no waitUntil, and no middleware",
  async (bed) => {
    const { Session, engine, stored } = bed;
    const scope = scopedSession(Session);
    const app = appOf();
    app.post("/", (c) => {
      background(c, scope, () => insert(scope.db, 3));
      return c.text("ok");
    });
    assertEquals(await (await post(app, "/")).text(), "ok");
    await engine.idle();
    assertEquals(await stored(), [3]);
  },
);

requestTest(
  "background() tells what it failed with, and rolls back",
  async (bed) => {
    const { Session, engine, stored } = bed;
    const failure = new Error("mine");
    const told: unknown[] = [];
    const stop = engine.on("backgroundError", ({ error }) => told.push(error));
    const app = appOf();
    app.post("/", (c) => {
      const work = async (db: Session) => {
        await insert(db, 4);
        throw failure;
      };
      background(c, Session, work);
      background(c, Session, work, { onError: (error) => told.push(error) });
      return c.text("ok");
    });
    // Nobody is told: the runtime is.
    app.get("/", (c) => {
      background(c, Session, () => Promise.reject(failure));
      return c.text("ok");
    });
    await post(app, "/");
    await engine.idle();
    assertEquals([told, await stored()], [[failure, failure], []]);
    stop();
    const unhandled = new Promise((resolve) => {
      globalThis.addEventListener("unhandledrejection", (event) => {
        event.preventDefault();
        resolve(event.reason);
      }, { once: true });
    });
    assertEquals((await app.request("/")).status, 200);
    assertEquals(await unhandled, failure);
  },
);

requestTest(
  "background() leaves an engine that can be disposed, whatever onError throws",
  async (bed) => {
    const { Session, engine } = bed;
    const thrown = new Error("of onError");
    const unhandled: unknown[] = [];
    const note = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      unhandled.push(event.reason);
    };
    globalThis.addEventListener("unhandledrejection", note);
    const onErrors = [
      () => {
        throw thrown;
      },
      () => Promise.reject(thrown),
    ];
    const app = appOf();
    app.post("/", (c) => {
      for (const onError of onErrors) {
        background(c, Session, () => lose(), { onError });
      }
      return c.text("ok");
    });
    await post(app, "/");
    await engine.idle();
    await waitFor(() => unhandled.length === onErrors.length);
    globalThis.removeEventListener("unhandledrejection", note);
    assertEquals(unhandled, onErrors.map(() => thrown));
  },
);

for (const deadline of [0, 1]) {
  requestTest(
    `background() is not waited for behind a deadline of ${deadline} ms`,
    async (bed) => {
      const { Session, engine } = bed;
      const { promise: released, resolve: release } = Promise
        .withResolvers<void>();
      const { promise: written, resolve: write } = Promise
        .withResolvers<void>();
      const errors: unknown[] = [];
      const app = appOf();
      app.post("/", (c) => {
        background(c, Session, async (db) => {
          await insert(db, 1);
          write();
          await released;
        }, { onError: (error) => errors.push(error) });
        return c.text("ok");
      });
      await post(app, "/");
      await written;
      await engine.dispose({ deadline });
      assertEquals(errors, []);
      release();
      await engine.idle();
      assertEquals(errors.length, 1);
      assertEquals(await bed.stored(), []);
    },
  );
}

requestTest(
  "background() and streamSession() make no engine of their own",
  async ({ engine }) => {
    let made = 0;
    const tenants = {
      key: () => "a",
      engine: () => {
        made++;
        return engine;
      },
    };
    const app = appOf();
    app.use(dbSession(tenants)).get("/", async (c) => {
      await c.var.db.execute("select 1");
      background(c, tenants, (db) => db.execute("select 1"));
      return streamSession(c, tenants, () => c.text("ok"));
    });
    // Hosts have given something else than an execution context here.
    for (const context of [undefined, {} as ExecutionContext]) {
      const response = await app.request("/", {}, {}, context);
      assertEquals(await response.text(), "ok");
    }
    await engine.idle();
    assertEquals(made, 1);
  },
);

requestTest(
  "the session of a request says what to use behind the response",
  async (bed) => {
    const { Session } = bed;
    const app = appOf();
    let late: Session | undefined;
    app.use(dbSession(Session)).get("/", (c) => {
      late = c.var.db;
      return c.text("ok");
    });
    await app.request("/");
    const error = await assertRejects(
      () => insert(late ?? Session(), 1),
      StateError,
      "background()",
    );
    assertEquals(error.code, "SESSION_CLOSED");
  },
);

function lose(): Promise<never> {
  return Promise.reject(new Error("of the work"));
}

function refuse(): boolean {
  throw new Error("cannot say");
}

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const NUMBERS = sql<{ n: number }>`select n from generate_series(1, 1000) n`;

requestTest("streamSession() closes at once for HEAD", async (bed) => {
  const { Session, engine } = bed;
  const sessions: Session[] = [];
  const app = appOf();
  app.get("/", (c) =>
    streamSession(c, Session, async (db) => {
      sessions.push(db);
      await db.execute("select 1");
      return new Response(new ReadableStream(), { headers: { "x-made": "1" } });
    }));
  const response = await app.request("/", { method: "HEAD" });
  assertEquals(response.headers.get("x-made"), "1");
  await sessions[0]?.closed;
  await engine.idle();
  assertEquals(engine.status().checkedOut, 0);
});

requestTest("streamSession() reads while the body is sent", async (bed) => {
  const { Session, database, engine } = bed;
  const app = appOf();
  let session: Session | undefined;
  app.use(dbSession(Session)).get(
    "/",
    (c) =>
      streamSession(c, Session, (db) => {
        session = db;
        c.header("x-made", "here");
        return streamText(c, async (body) => {
          for await (const { n } of db.stream(NUMBERS, { batchSize: 100 })) {
            await body.writeln(`${n}`);
          }
        });
      }),
  );
  const response = await app.request("/");
  assertEquals(response.headers.get("x-made"), "here");
  assertEquals(session?.state, "active");
  const lines = (await response.text()).trim().split("\n");
  assertEquals([lines.length, lines.at(-1)], [1_000, "1000"]);
  await session?.closed;
  await engine.idle();
  await database.waitFor(async () => await database.connections() === 0);
});

requestTest("streamSession() ends with a client that leaves", async (bed) => {
  const { Session, database, engine } = bed;
  const app = appOf();
  let session: Session | undefined;
  let told: unknown;
  app.get("/", (c) =>
    streamSession(c, Session, (db) => {
      session = db;
      return stream(c, async (body) => {
        await db.execute("create table in_vain (n int)");
        await body.write(new TextEncoder().encode("begun"));
        await db.execute("select pg_sleep(60)")
          .catch((error) => told = error.code);
      });
    }));
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    app.fetch,
  );
  const client = new AbortController();
  const response = await fetch(`http://127.0.0.1:${server.addr.port}/`, {
    signal: client.signal,
  });
  const reader = response.body?.getReader();
  await reader?.read();
  await asleep(database);
  client.abort();
  await reader?.read().catch(() => {});
  await session?.closed;
  await engine.idle();
  assertEquals([session?.state, told], ["closed", "ABORTED"]);
  assertEquals(
    await database.query("select to_regclass('in_vain')::text as name"),
    [{ name: null }],
  );
});

requestTest("streamSession() closes where nothing is streamed", async (bed) => {
  const { Session, engine } = bed;
  const sessions: Session[] = [];
  const app = appOf();
  app.get("/empty", (c) =>
    streamSession(c, Session, async (db) => {
      sessions.push(db);
      await db.execute("select 1");
      return c.body(null, 204);
    }));
  app.get("/thrown", (c) =>
    streamSession(c, Session, async (db) => {
      sessions.push(db);
      await db.execute("select 1");
      throw new Error("mine");
    }));
  app.get("/broken", (c) =>
    streamSession(c, Session, async (db) => {
      sessions.push(db);
      await db.execute("select 1");
      return new Response(
        new ReadableStream({
          pull: () => Promise.reject(new Error("half-way")),
        }),
      );
    }));
  app.get("/forgotten", (c) =>
    streamSession(c, Session, async (db) => {
      sessions.push(db);
      await db.execute("select 1");
      // Who writes JavaScript may forget to return it.
      return undefined as unknown as Response;
    }));
  app.onError((error, c) => c.text(error.message, 500));
  assertEquals(
    await (await app.request("/forgotten")).text(),
    "Cannot answer in streamSession(): expected the function to return a Response",
  );
  assertEquals((await app.request("/empty")).status, 204);
  assertEquals(await (await app.request("/thrown")).text(), "mine");
  const broken = await app.request("/broken");
  await assertRejects(() => broken.text(), Error, "half-way");
  for (const session of sessions) await session.closed;
  await engine.idle();
  assertEquals(sessions.map(({ state }) => state), [
    "closed",
    "closed",
    "closed",
    "closed",
  ]);
});

requestTest("streamSession() closes where nobody reads", async (bed) => {
  const { Session, engine } = bed;
  const sessions: Session[] = [];
  const app = appOf();
  const endless = (c: Context) =>
    streamSession(c, Session, async (db) => {
      sessions.push(db);
      await db.execute("select 1");
      // Whose source has trouble of its own.
      return new Response(
        new ReadableStream({ cancel: () => Promise.reject(new Error("no")) }),
        { headers: { "transfer-encoding": "chunked" } },
      );
    });
  app.onError((error, c) => c.text(error.name, 500));
  app.post("/failed", dbSession(Session), async (c) => {
    await insert(c.var.db, 1);
    await insert(c.var.db, 1);
    return await endless(c);
  });
  app.post("/refused", dbSession(Session, { commitWhen: refuse }), endless);
  app.get("/late", timeout(10), async (c) => {
    await delay(50);
    return await endless(c);
  });
  app.get("/head", endless);
  const failed = await post(app, "/failed");
  assertEquals(await failed.text(), "IntegrityError");
  assertEquals(failed.headers.get("transfer-encoding"), null);
  assertEquals((await post(app, "/refused")).status, 500);
  assertEquals((await app.request("/late")).status, 500);
  assertEquals((await app.request("/head", { method: "HEAD" })).status, 200);
  await waitFor(() => sessions.length === 4);
  for (const session of sessions) await session.closed;
  assertEquals(engine.status().checkedOut, 0);
});

requestTest("streamSession() is sent in place of an answer", async (bed) => {
  const { Session } = bed;
  const app = appOf();
  const numbers = (c: Context) =>
    streamSession(c, Session, (db) =>
      streamText(c, async (body) => {
        for await (const { n } of db.stream(NUMBERS)) await body.write(`${n};`);
      }));
  app.onError((_, c) => numbers(c));
  app.get("/replaced", async (c, next) => {
    await next();
    c.res = await numbers(c);
  });
  app.get("/failed", async (_, next) => {
    await next();
    throw new Error("behind the answer");
  });
  app.get("/:what", (c) => c.text("not this"));
  for (const path of ["/replaced", "/failed"]) {
    const response = await app.request(path);
    // Longer than it takes to see whether anybody wants it.
    await delay(20);
    assertEquals((await response.text()).split(";").length, 1001);
  }
});

requestTest("a session per WebSocket message", async (bed) => {
  const { Session, stored, engine } = bed;
  const scope = scopedSession(Session);
  const app = appOf();
  // A message comes in the async context of its request, which has ended.
  app.use(dbSession(scope));
  app.get(
    "/",
    upgradeWebSocket(() => ({
      onMessage: (event, socket) =>
        void scope.begin(async () => {
          await insert(scope.db, String(event.data));
          if (event.data === "2") throw new Error("undone");
        }).then(() => socket.send("stored"), () => socket.send("failed")),
      onOpen: (_, socket) =>
        void insert(scope.db, "4").catch(({ message }) => socket.send(message)),
    })),
  );
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    app.fetch,
  );
  const socket = new WebSocket(`ws://127.0.0.1:${server.addr.port}/`);
  const answers: unknown[] = [];
  const answered = new Promise<void>((resolve) => {
    socket.onmessage = ({ data }) => {
      if (answers.push(data) === 4) resolve();
    };
  });
  await new Promise((resolve) => socket.onopen = resolve);
  for (const n of [1, 2, 3]) socket.send(`${n}`);
  await answered;
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.close();
  await closed;
  const [refused, ...others] = answers.toSorted();
  assertStringIncludes(
    String(refused),
    "and Session.begin() for a message of a WebSocket",
  );
  assertEquals(others, ["failed", "stored", "stored"]);
  assertEquals(await stored(), [1, 3]);
  assertEquals(engine.status().checkedOut, 0);
});
