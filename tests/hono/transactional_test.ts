import { assert, assertEquals, assertThrows } from "@std/assert";
import { sql } from "drizzle-orm";
import { type Context, type Handler, Hono } from "hono";
import { hc } from "hono/client";
import { stream } from "hono/streaming";
import { validator } from "hono/validator";
import {
  type RetryEvent,
  SerializationError,
  type Session,
} from "../../mod.ts";
import {
  dbSession,
  type SessionVariables,
  streamSession,
  transactional,
} from "../../src/hono/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { type Bed, insert, post, requestTest } from "./request_bed.ts";

type App = Hono<{ Variables: SessionVariables }>;

/** Fails as a transaction does that has lost. */
function lose(): Promise<never> {
  return Promise.reject(
    new SerializationError("SERIALIZATION_FAILURE", "lost", {
      sqlstate: "40001",
    }),
  );
}

/** An app whose errors say their code. */
function appOf(): App {
  const app: App = new Hono<{ Variables: SessionVariables }>();
  app.onError((error, c) =>
    c.text("code" in error ? String(error.code) : error.message, 500)
  );
  return app;
}

const QUICK = { retry: { times: 50, maxDelay: 20 } };

requestTest("transactional() counts what 20 add at once", async (bed) => {
  const { Session, database, stored } = bed;
  await database.query("insert into kept values (0)");
  const app = appOf();
  app.post(
    "/",
    transactional(Session, async (c) => {
      const { rows } = await c.var.db.execute("select n from kept");
      const next = Number(rows[0]?.n) + Number(await c.req.text());
      await c.var.db.execute(sql`update kept set n = ${next}`);
      return c.text(`${next}`);
    }, { ...QUICK, transaction: { isolationLevel: "serializable" } }),
  );
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const response = await app.request("/", { method: "POST", body: "1" });
      assertEquals(response.status, 200);
      return Number(await response.text());
    }),
  );
  assertEquals(
    answers.sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, at) => at + 1),
  );
  assertEquals(await stored(), [20]);
});

/** A handler behind a session. */
type SessionHandler = Handler<{ Variables: SessionVariables }>;

/** Runs a handler that loses once. */
async function loseOnce(
  bed: Bed,
  handler: SessionHandler,
  request: RequestInit = {},
): Promise<{ response: Response; runs: number; retries: RetryEvent[] }> {
  const retries: RetryEvent[] = [];
  const stop = bed.engine.on("retry", (event) => retries.push(event));
  let runs = 0;
  const app = appOf();
  app.use(async (c, next) => {
    c.header("x-before", "kept");
    await next();
  });
  app.post(
    "/",
    transactional(bed.Session, async (c, next) => {
      const isFirst = ++runs === 1;
      const response = await handler(c, next);
      return isFirst ? await lose() : response;
    }, QUICK),
  );
  const response = await app.request("/", { method: "POST", ...request });
  stop();
  return { response, runs, retries };
}

requestTest("transactional() answers anew", async (bed) => {
  const sessions: Session[] = [];
  const { response, runs } = await loseOnce(bed, async (c) => {
    sessions.push(c.var.db);
    await insert(c.var.db, sessions.length);
    assertEquals(c.get("note" as never), undefined);
    c.set("note" as never, "of this run" as never);
    c.header("x-run", String(sessions.length), { append: true });
    if (sessions.length === 1) {
      c.status(202);
      c.header("set-cookie", "a=1");
      c.res = c.text("thrown away");
    }
    return c.text("done");
  });
  assertEquals([response.status, runs], [200, 2]);
  assertEquals(await response.text(), "done");
  assertEquals(response.headers.get("x-run"), "2");
  assertEquals(response.headers.get("x-before"), "kept");
  assertEquals(response.headers.getSetCookie(), []);
  assert(sessions[0] !== sessions[1]);
  assertEquals(await bed.stored(), [2]);
});

requestTest("transactional() reads the body again, if it can", async (bed) => {
  const body = JSON.stringify({ n: 7 });
  const kept = await loseOnce(bed, async (c) => {
    const { n } = await c.req.json();
    await insert(c.var.db, n);
    return c.text("stored");
  }, { body });
  assertEquals([await kept.response.text(), kept.runs], ["stored", 2]);
  const raw = await loseOnce(bed, async (c) => {
    const { n } = await c.req.raw.json();
    await insert(c.var.db, n + 1);
    return c.text("stored");
  }, { body });
  assertEquals([await raw.response.text(), raw.runs], ["RETRY_REFUSED", 1]);
  assertEquals(raw.retries, []);
  assertEquals(await bed.stored(), [7]);
});

requestTest("transactional() does not stream twice", async (bed) => {
  const { response, runs } = await loseOnce(
    bed,
    (c) => stream(c, async (body) => void await body.write("begun")),
  );
  assertEquals([await response.text(), runs], ["RETRY_REFUSED", 1]);
});

requestTest(
  "transactional() drops the stream of a run that lost",
  async (bed) => {
    const { Session } = bed;
    const reading: Session[] = [];
    const { response, runs } = await loseOnce(bed, async (c) => {
      c.res = await streamSession(c, Session, async (db) => {
        reading.push(db);
        await db.execute("select 1");
        const body = new ReadableStream({
          pull(controller) {
            controller.enqueue(new TextEncoder().encode("read"));
            controller.close();
          },
        });
        return new Response(body);
      });
      return c.res;
    });
    assertEquals([runs, await response.text()], [2, "read"]);
    for (const session of reading) await session.closed;
  },
);

requestTest("transactional() runs again when COMMIT loses", async (bed) => {
  const { Session, engine, database } = bed;
  await database.query(`create function lose_once() returns trigger
    language plpgsql as $$ begin
      if nextval('runs') = 1 then
        raise exception 'lost' using errcode = '40001';
      end if;
      return null;
    end $$;
    create sequence runs;
    create constraint trigger lose after insert on kept
      deferrable initially deferred for each row execute function lose_once()`);
  const failures: number[] = [];
  engine.on("retry", (event) => failures.push(event.failures));
  const app = appOf();
  app.post(
    "/:n",
    transactional(Session, async (c) => {
      await insert(c.var.db, c.req.param("n") ?? "");
      return c.text("stored", 201);
    }),
  );
  const response = await post(app, "/5");
  assertEquals([response.status, await response.text()], [201, "stored"]);
  assertEquals([await bed.stored(), failures], [[5], [1]]);
});

requestTest("transactional() does what dbSession does", async (bed) => {
  const { Session, stored } = bed;
  const scope = scopedSession(Session);
  const app = appOf();
  app.post(
    "/bad/:n",
    transactional(scope, async (c) => {
      await insert(scope.db, c.req.param("n") ?? "");
      return c.text("no", 400);
    }),
  );
  app.post(
    "/thrown/:n",
    transactional(scope, async (c) => {
      await insert(scope.db, c.req.param("n") ?? "");
      throw new Error("mine");
    }),
  );
  // Behind the middleware it has its own session all the same.
  app.use(dbSession(scope));
  app.post(
    "/inner/:n",
    transactional(scope, async (c) => {
      await insert(scope.db, c.req.param("n") ?? "");
      return c.text("stored");
    }),
  );
  assertEquals((await post(app, "/bad/1")).status, 400);
  assertEquals(await (await post(app, "/thrown/2")).text(), "mine");
  assertEquals(await (await post(app, "/inner/3")).text(), "stored");
  assertEquals(await stored(), [3]);
});

requestTest("transactional() makes no answer up", async (bed) => {
  const app = appOf();
  app.post(
    "/:n",
    transactional(bed.Session, async (c) => {
      await insert(c.var.db, c.req.param("n") ?? "");
      // A handler that forgets to return; the types let a middleware do so.
    }),
  );
  const response = await post(app, "/1");
  assertEquals(response.status, 500);
  assertEquals(
    await response.text(),
    "Cannot answer a POST request: its handler returned no Response; a middleware that makes one has to run inside of the session",
  );
  assertEquals(await bed.stored(), []);
});

requestTest("transactional() has the types of its handler", async (bed) => {
  type AppEnv = { Variables: SessionVariables & { user: string } };
  type Found = { n: number };
  type Valid = { in: { json: Found }; out: { json: Found } };
  const app = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set("user", "Ada");
      await next();
    })
    .post(
      "/:n",
      transactional(bed.Session, async (c: Context<AppEnv, "/:n">) => {
        await insert(c.var.db, c.req.param("n"));
        return c.json({ user: c.var.user }, 201);
      }),
    )
    .put(
      "/",
      validator("json", (value): Found => ({ n: Number(value.n) })),
      transactional(bed.Session, async (c: Context<AppEnv, "/", Valid>) => {
        const { n } = c.req.valid("json");
        await insert(c.var.db, n);
        return c.json({ n });
      }),
    )
    .get(
      "/",
      transactional(bed.Session, async (c) => {
        // @ts-expect-error: it knows the session, and what is none
        await c.var.db.nothing?.();
        return c.json({ stored: await c.var.db.$count(sql`kept`) });
      }),
    );
  const client = hc<typeof app>("http://localhost", {
    fetch: (input: RequestInfo | URL, init?: RequestInit) =>
      app.request(input, init),
  });
  const made = await client[":n"].$post({ param: { n: "1" } });
  const { user }: { user: string } = await made.json();
  const put = await client.index.$put({ json: { n: 2 } });
  const { n }: { n: number } = await put.json();
  const found = await client.index.$get();
  const { stored }: { stored: number } = await found.json();
  assertEquals([user, n, stored], ["Ada", 2, 2]);
});

requestTest(
  "transactional() gives up, and says what it failed with",
  async (bed) => {
    let runs = 0;
    const app = appOf();
    app.post(
      "/",
      transactional(bed.Session, async (c) => {
        runs++;
        await insert(c.var.db, runs);
        return await lose();
      }, { retry: { times: 2, maxDelay: 1 } }),
    );
    const response = await post(app, "/");
    assertEquals(await response.text(), "SERIALIZATION_FAILURE");
    assertEquals([runs, await bed.stored()], [3, []]);
    const handler = () => Promise.resolve(new Response());
    assertThrows(
      () => transactional(bed.Session, handler, { retry: { times: -1 } }),
      RangeError,
    );
  },
);
