import { assert, assertEquals, assertThrows } from "@std/assert";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { type Context, Hono } from "hono";
import { streamText } from "hono/streaming";
import {
  createEngine,
  mapTasks,
  type Session,
  sessionmaker,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { type ScopedSession, scopedSession } from "../../src/scoped/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import {
  background,
  dbSession,
  type SessionVariables,
  streamSession,
  transactional,
} from "../../src/hono/mod.ts";
import { BookmarkCookie } from "../../src/hono/bookmark_cookie.ts";
import { insert, requestTest } from "./request_bed.ts";

const kept = pgTable("kept", { n: integer() });
const secret = "a secret of more than thirty-two letters";

/** A primary, and a replica that never has what was written there. */
async function laggingPair() {
  const setup = "create table kept (n int)";
  const primary = await testDatabase({ setup });
  const replica = await testDatabase({ setup });
  const engine = createEngine({
    primary: postgres(primary.url),
    replicas: [postgres(replica.url)],
  });
  return {
    engine,
    Session: sessionmaker(engine),
    empty: () => primary.query("delete from kept"),
    /** How far the log is, in bytes; that of a position. */
    async bytes(position?: string): Promise<number> {
      const [row] = await primary.query(
        "select (coalesce($1, pg_current_wal_insert_lsn()) - '0/0')::float8 as n",
        [position],
      );
      return Number(row?.n);
    },
    async [Symbol.asyncDispose]() {
      await engine.dispose();
      await replica[Symbol.asyncDispose]();
      await primary[Symbol.asyncDispose]();
    },
  };
}

/** Has a handler answer at "/run" and "/used", which tells as well what is kept. */
function handledBothWays(
  app: Hono,
  scope: ScopedSession,
  handle: (c: Context) => Promise<Response>,
): Hono {
  const readYourWrites = { secret };
  app.post("/run", transactional(scope, handle, { readYourWrites }));
  app.use("/used", dbSession(scope, { readYourWrites }));
  app.post("/used", handle);
  app.get("/used", async (c) => c.json(await scope.db.$count(kept)));
  return app;
}

/** The cookie that an answer has set, as the next request sends it. */
function cookieOf(response: Response): string {
  return response.headers.getSetCookie()[0]?.split(";")[0] ?? "";
}

/** What a cookie makes of a request. */
async function bookmarkOf(
  cookie: string,
  reader = new BookmarkCookie({ secret }),
): Promise<string | undefined> {
  let bookmark: string | undefined;
  const app = new Hono().get("/", async (c) => {
    bookmark = (await reader.open(c)).bookmark.position;
    return c.text("ok");
  });
  await app.request("/", { headers: { cookie } });
  return bookmark;
}

requestTest(
  "tells a user's next requests what was written, by a signed cookie",
  async (bed) => {
    const { Session } = bed;
    const readYourWrites = { secret, cookie: "mark", maxAge: 5 };
    const app = new Hono<{ Variables: SessionVariables }>();
    app.post(
      "/retried",
      transactional(Session, async (c) => {
        await insert(c.var.db, 3);
        return c.text("stored");
      }, { readYourWrites }),
    );
    app.use(dbSession(Session, { readYourWrites }));
    app.post("/", async (c) => {
      await insert(c.var.db, 1);
      return c.text("stored");
    });
    app.post("/failed", async (c) => {
      await insert(c.var.db, 2);
      return c.text("no", 400);
    });
    app.get("/", async (c) => c.json(await c.var.db.$count(kept)));
    const ask = (path: string, method: string) => app.request(path, { method });
    assertEquals((await ask("/", "GET")).headers.getSetCookie(), []);
    assertEquals((await ask("/failed", "POST")).headers.getSetCookie(), []);
    for (const path of ["/", "/retried"]) {
      const response = await ask(path, "POST");
      assertEquals(await response.text(), "stored");
      const [cookie, ...others] = response.headers.getSetCookie();
      assert(cookie !== undefined && others.length === 0);
      assert(
        /; Max-Age=5; Path=\/; HttpOnly; SameSite=Lax$/.test(cookie),
        cookie,
      );
      const pair = cookie.split(";")[0] ?? "";
      const reader = new BookmarkCookie(readYourWrites);
      const bookmark = await bookmarkOf(`other=1; ${pair}; last=2`, reader);
      assert(
        bookmark !== undefined && pair.startsWith(`mark=${bookmark}.`),
        pair,
      );
      // Nobody else can write one.
      const forged = pair.replace(bookmark, "FFFFFFFF/FFFFFFFF");
      const stranger = new BookmarkCookie({
        ...readYourWrites,
        secret: `${secret}!`,
      });
      for (
        const [header, by] of [
          [forged, reader],
          [pair.slice(0, -1), reader],
          [pair.replace(/\..*/, ""), reader],
          [pair, stranger],
          [`${pair}`.replace("mark", "another"), reader],
          ["mark=", reader],
          ["", reader],
        ] as const
      ) assertEquals(await bookmarkOf(header, by), undefined, header);
    }
  },
);

Deno.test("sessions that a request opens besides its own see what its user has written", async () => {
  await using pair = await laggingPair();
  const { engine, Session } = pair;
  const scope = scopedSession(Session);
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(scope, { readYourWrites: { secret } }));
  app.post("/", async (c) => {
    await insert(c.var.db, 1);
    return c.text("stored");
  });
  const seen: Record<string, number> = {};
  const count = async (name: string, db: Pick<Session, "$count">) => {
    seen[name] = await db.$count(kept);
  };
  app.get("/", async (c) => {
    await count("its own", c.var.db);
    await scope.begin((db) => count("requiresNew", db), {
      propagation: "requiresNew",
    });
    background(c, scope, (db) => count("background", db));
    const answer = await streamSession(c, Session, async (db) => {
      await count("a stream", db);
      return c.text("read");
    });
    return answer;
  });
  const stored = await app.request("/", { method: "POST" });
  const cookie = cookieOf(stored);
  for (const [headers, expected] of [[{}, 0], [{ cookie }, 1]] as const) {
    const response = await app.request("/", { headers });
    await response.text();
    await engine.idle();
    assertEquals(seen, {
      "its own": expected,
      requiresNew: expected,
      background: expected,
      "a stream": expected,
    });
  }
});

Deno.test("work behind a response sees what its request has written after it was asked for", async () => {
  await using pair = await laggingPair();
  const { engine, Session } = pair;
  for (const source of [Session, scopedSession(Session)]) {
    await pair.empty();
    const app = new Hono<{ Variables: SessionVariables }>();
    app.use(dbSession(source, { readYourWrites: { secret } }));
    const seen: number[] = [];
    app.post("/", async (c) => {
      await insert(c.var.db, 1);
      background(c, source, async (db) => {
        seen.push(await db.$count(kept));
      });
      return await streamSession(
        c,
        source,
        (db) =>
          streamText(c, async (body) => {
            await c.var.db.closed;
            seen.push(await db.$count(kept));
            await body.write("read");
          }),
      );
    });
    const response = await app.request("/", { method: "POST" });
    assertEquals(await response.text(), "read");
    await engine.idle();
    assertEquals(seen, [1, 1]);
  }
});

Deno.test("what sessions commit that a request opens besides its own is seen by it, and told by its cookie", async () => {
  await using pair = await laggingPair();
  const { engine, Session } = pair;
  const scope = scopedSession(Session);
  const works: Record<string, (c: Context) => unknown> = {
    "a block of its own": () =>
      scope.begin((db) => insert(db, 1), { propagation: "requiresNew" }),
    "a stream, before it begins": (c) =>
      streamSession(c, scope, async (db) => {
        await insert(db, 1);
        await db.commit();
        return c.text("begun");
      }),
    "a task of its own": () =>
      scope.run(async (db) => {
        await insert(db, 1);
        await db.commit();
      }),
    "tasks of its user": () =>
      mapTasks(
        Session.with(scope.current.identity),
        [1],
        (db, n) => insert(db, n),
      ),
  };
  for (const [what, work] of Object.entries(works)) {
    for (const status of [200, 404] as const) {
      let seen: number | undefined;
      const handle = async (c: Context) => {
        await work(c);
        seen = await scope.current.$count(kept);
        return c.text("done", status);
      };
      const app = handledBothWays(new Hono(), scope, handle);
      for (const path of ["/used", "/run"]) {
        await pair.empty();
        const stored = await app.request(path, { method: "POST" });
        await stored.text();
        assertEquals([stored.status, seen], [status, 1], `${what}, ${path}`);
        const headers = { cookie: cookieOf(stored) };
        const next = await app.request("/used", { headers });
        assertEquals(await next.json(), 1, `${what}, ${path}`);
      }
    }
  }
  await engine.idle();
});

Deno.test("the cookie of a request that fails tells what a block of its own has committed", async () => {
  await using pair = await laggingPair();
  const scope = scopedSession(pair.Session);
  const handle = async () => {
    const propagation = "requiresNew";
    await scope.begin((db) => insert(db, 1), { propagation });
    throw new Error("failed");
  };
  const app = handledBothWays(new Hono(), scope, handle);
  app.onError((error, c) => c.text(error.message, 500));
  for (const path of ["/used", "/run"]) {
    await pair.empty();
    const stored = await app.request(path, { method: "POST" });
    assertEquals([stored.status, await stored.text()], [500, "failed"]);
    const headers = { cookie: cookieOf(stored) };
    const next = await app.request("/used", { headers });
    assertEquals(await next.json(), 1, path);
  }
});

Deno.test("middlewares of one request share what is written, and its cookie", async () => {
  await using pair = await laggingPair();
  const scope = scopedSession(pair.Session);
  const readYourWrites = { secret };
  let seen: number | undefined;
  let before = Infinity;
  const handle = async (c: Context) => {
    seen = await scope.current.$count(kept);
    before = await pair.bytes();
    await insert(scope.current, 2);
    return c.text("done");
  };
  const app = new Hono();
  app.use(dbSession(scope, { readYourWrites }));
  app.use(async (_, next) => {
    const propagation = "requiresNew";
    await scope.begin((db) => insert(db, 1), { propagation });
    await next();
  });
  handledBothWays(app, scope, handle);
  for (const path of ["/used", "/run"]) {
    await pair.empty();
    const stored = await app.request(path, { method: "POST" });
    assertEquals([stored.status, seen], [200, 1], path);
    const [cookie = "", ...others] = stored.headers.getSetCookie();
    assertEquals(others, [], path);
    const told = await bookmarkOf(cookie);
    assert(told !== undefined && await pair.bytes(told) > before, path);
  }
});

requestTest("leaves an answer that cannot have the cookie", async (bed) => {
  const app = new Hono<{ Variables: SessionVariables }>();
  app.onError((error, c) => c.text(`failed: ${error.message}`, 500));
  app.use(dbSession(bed.Session, { readYourWrites: { secret } }));
  app.use(async (c, next) => {
    await next();
    c.res.body?.getReader();
  });
  app.post("/", async (c) => {
    await insert(c.var.db, 1);
    return c.body(new ReadableStream());
  });
  const response = await app.request("/", { method: "POST" });
  assertEquals(response.status, 200);
  assertEquals(response.headers.getSetCookie(), []);
  assertEquals(await bed.stored(), [1]);
});

Deno.test("a cookie's secret is checked, and never told", () => {
  const error = assertThrows(
    () => new BookmarkCookie({ secret: "m4rk3r" }),
    RangeError,
    "secret",
  );
  assert(!error.message.includes("m4rk3r"));
  const [none]: { secret: string }[] = JSON.parse("[{}]");
  assert(none !== undefined);
  assertThrows(() => new BookmarkCookie(none), TypeError, "secret");
  assert(!Deno.inspect(new BookmarkCookie({ secret })).includes(secret));
});
