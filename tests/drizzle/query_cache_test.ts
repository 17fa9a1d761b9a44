import { assertEquals, assertRejects } from "@std/assert";
import { Cache } from "drizzle-orm/cache/core";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { Hono } from "hono";
import {
  ConnectionError,
  createEngine,
  DatabaseError,
  type Session,
  type Sessionmaker,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { dbSession, type SessionVariables } from "../../src/hono/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { cuttingRelay } from "../support/cutting_relay.ts";
import { testDatabase } from "../support/postgres.ts";

const numbers = pgTable("numbers", { n: integer().notNull() });

/** A cache in memory that notes what it is asked. */
class NotingCache extends Cache {
  readonly notes: string[] = [];
  readonly stored = new Map<string, unknown>();

  override strategy(): "all" {
    return "all";
  }

  override get(key: string): Promise<never[] | undefined> {
    this.notes.push("get");
    // Drizzle declares rows; a driver stores whatever it likes.
    return Promise.resolve(this.stored.get(key) as never[] | undefined);
  }

  override put(key: string, response: unknown): Promise<void> {
    this.notes.push("put");
    this.stored.set(key, response);
    return Promise.resolve();
  }

  override onMutate(): Promise<void> {
    this.notes.push("stale");
    this.stored.clear();
    return Promise.resolve();
  }
}

function cacheTest(
  name: string,
  run: (Session: Sessionmaker, cache: NotingCache) => Promise<void>,
): void {
  Deno.test(`cache ${name}`, async () => {
    await using database = await testDatabase({
      setup: "create table numbers (n int not null)",
    });
    await using engine = createEngine(postgres(database.url));
    const cache = new NotingCache();
    await run(sessionmaker(engine, { cache }), cache);
  });
}

function all(db: Session): Promise<{ n: number }[]> {
  return db.select().from(numbers).then((rows) => rows);
}

cacheTest(
  "is filled after the commit, and answers then",
  async (Session, cache) => {
    await using db = Session();
    assertEquals(await all(db), []);
    assertEquals(cache.notes, ["get"]);
    await db.commit();
    assertEquals(cache.notes, ["get", "put"]);
    const { roundTrips } = db.stats;
    assertEquals(await all(db), []);
    assertEquals(db.stats.roundTrips, roundTrips);
  },
);

Deno.test("cache keeps nothing that a replica has answered, which may be behind", async () => {
  const setup = "create table numbers (n int not null)";
  await using database = await testDatabase({ setup });
  await using behind = await testDatabase({ setup });
  const cache = new NotingCache();
  await using engine = createEngine({
    primary: postgres(database.url),
    replicas: [postgres(behind.url)],
  });
  const Session = sessionmaker(engine, { cache });
  await Session.begin((db) => db.insert(numbers).values({ n: 1 }));
  for (const notes of [["stale", "get", "put"], ["get"]]) {
    assertEquals(await Session.begin(all), [{ n: 1 }]);
    assertEquals(cache.notes.splice(0), notes);
  }
  // What nobody keeps may be as old as ever.
  const IS_CACHED = false;
  const uncached = await Session.begin((db) =>
    db.select().from(numbers).$withCache(IS_CACHED)
  );
  assertEquals(uncached, []);
});

Deno.test("cache answers no other database, where a factory or a source has several", async () => {
  const cache = new NotingCache();
  await using one = await testDatabase({ setup: tenantOf(1) });
  await using two = await testDatabase({ setup: tenantOf(2) });
  await using first = createEngine(postgres(one.url));
  await using second = createEngine(postgres(two.url));
  const Session = sessionmaker(first, { cache });
  assertEquals(await Session.begin(all), [{ n: 1 }]);
  assertEquals(await Session.on(second).begin(all), [{ n: 2 }]);
  cache.notes.length = 0;
  assertEquals(await Session.on(first.with({})).begin(all), [{ n: 1 }]);
  assertEquals(cache.notes, ["get"]);

  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession({
    engine: (c) => c.req.path === "/1" ? first : second,
    key: (c) => c.req.path,
    cache,
  }));
  app.get("/:tenant", async (c) => {
    const tagged = await c.var.db.select().from(numbers)
      .$withCache({ tag: "numbers" });
    return c.json([await all(c.var.db), tagged]);
  });
  for (const n of [1, 2, 1, 2]) {
    const response = await app.request(`/${n}`);
    assertEquals(await response.json(), [[{ n }], [{ n }]]);
  }
  // Once for each of them, besides the first of all.
  assertEquals(cache.notes.filter((note) => note === "put").length, 2);
});

function tenantOf(n: number): string {
  return `create table numbers (n int not null); insert into numbers values (${n})`;
}

cacheTest("never keeps a row that was rolled back", async (Session, cache) => {
  await assertRejects(() =>
    Session.begin(async (db) => {
      await db.insert(numbers).values({ n: 1 });
      // Its own write is read from the database, not from the cache.
      assertEquals(await all(db), [{ n: 1 }]);
      throw new Error("undo");
    })
  );
  await Session.begin(async (db) => assertEquals(await all(db), []));
  assertEquals(cache.notes, ["get", "put"]);
});

cacheTest("hears of writes after the commit", async (Session, cache) => {
  await using reader = Session();
  await all(reader);
  await reader.commit();
  await using writer = Session();
  await writer.insert(numbers).values({ n: 1 });
  assertEquals(cache.notes, ["get", "put"]);
  await writer.commit();
  assertEquals(cache.notes, ["get", "put", "stale"]);
  assertEquals(await all(reader), [{ n: 1 }]);
});

cacheTest(
  "hears of writes of a user, who is not answered",
  async (Session, cache) => {
    const User = Session.with({ role: "authenticated" });
    await Session.begin(async (db) => {
      await db.execute(
        `do $$ begin create role authenticated; exception
        when duplicate_object or unique_violation then null; end $$`,
      );
      await db.execute("grant all on numbers to authenticated");
    });
    await Session.begin(all);
    assertEquals(cache.notes.splice(0), ["get", "put"]);
    await User.begin((db) => db.insert(numbers).values({ n: 1 }));
    assertEquals(cache.notes.splice(0), ["stale"]);
    assertEquals(await User.begin(all), [{ n: 1 }]);
    assertEquals(cache.notes, []);
    assertEquals(await Session.begin(all), [{ n: 1 }]);
  },
);

cacheTest(
  "forgets the hooks of a savepoint that was rolled back",
  async (Session, cache) => {
    await Session.begin(async (db) => {
      await db.execute("select 1");
      await assertRejects(() =>
        db.transaction(async (tx) => {
          await tx.insert(numbers).values({ n: 1 });
          tx.rollback();
        })
      );
    });
    assertEquals(cache.notes, []);
  },
);

cacheTest("is not asked where a snapshot is kept", async (Session, cache) => {
  await Session.begin(async (db) => void await all(db), {
    isolationLevel: "repeatable read",
  });
  assertEquals(cache.notes, []);
});

cacheTest(
  "answers no session that may not ask",
  async (Session, cache) => {
    const db = Session();
    await all(db);
    await db.commit();
    await db.transaction(async () => {
      const error = await assertRejects(() => all(db), StateError);
      assertEquals(error.code, "NESTED_BLOCK_OPEN");
    });
    await db.close();
    const error = await assertRejects(() => all(db), StateError);
    assertEquals(error.code, "SESSION_CLOSED");
    assertEquals(cache.notes, ["get", "put"]);
  },
);

Deno.test("afterCommit() runs behind the commit and cannot undo it", async () => {
  await using database = await testDatabase({
    setup: "create table numbers (n int not null)",
  });
  await using engine = createEngine(postgres(database.url));
  const heard: unknown[] = [];
  engine.on("listenerError", ({ error }) => heard.push(error));
  const Session = sessionmaker(engine);
  await using db = Session();
  await db.insert(numbers).values({ n: 1 });
  db.afterCommit(() => {
    throw new Error("too late to matter");
  });
  db.afterCommit(() =>
    Session.begin(async (own) => heard.push(await all(own)))
  );
  await db.commit();
  assertEquals(heard.map(String), [
    "Error: too late to matter",
    "[object Object]",
  ]);
  await db.insert(numbers).values({ n: 2 });
  db.afterCommit(() => heard.push("never"));
  await db.rollback();
  await db.commit();
  assertEquals(heard.length, 2);
});

cacheTest("hides no first failure", async (Session) => {
  await using db = Session();
  await assertRejects(
    () =>
      Promise.all([
        db.insert(numbers).values({ n: 1 }),
        db.execute("select 1/0"),
      ]),
    DatabaseError,
  );
});

cacheTest("puts nothing that was written meanwhile", async (Session, cache) => {
  await using db = Session();
  await Promise.all([all(db), db.insert(numbers).values({ n: 1 })]);
  await db.commit();
  assertEquals(cache.notes, ["get", "stale"]);
});

cacheTest(
  "keeps no enqueued query from its place",
  async (Session, cache) => {
    // Who waited for it would have no place in time.
    const late = Promise.withResolvers<undefined>();
    cache.get = () => late.promise;
    await using db = Session();
    db.enqueue(db.insert(numbers).values({ n: 1 }));
    const seen = db.enqueue(db.select().from(numbers));
    db.enqueue(db.insert(numbers).values({ n: 2 }));
    const { roundTrips } = db.stats;
    await db.commit();
    const first = db.enqueue(db.select().from(numbers));
    await db.commit();
    late.resolve(undefined);
    assertEquals(await seen, [{ n: 1 }]);
    assertEquals(await first, [{ n: 1 }, { n: 2 }]);
    assertEquals(db.stats.roundTrips, roundTrips + 2);
    assertEquals(cache.notes, ["stale", "stale"]);
  },
);

cacheTest(
  "is stale at once where there is no transaction",
  async (Session, cache) => {
    await using db = Session({ transaction: { isolationLevel: "autocommit" } });
    await db.insert(numbers).values({ n: 1 });
    assertEquals(cache.notes, ["stale"]);
    await db.rollback();
  },
);

cacheTest(
  "may be stale where a write without a transaction got no answer",
  async (_, cache) => {
    await using database = await testDatabase({
      setup: "create table numbers (n int not null)",
    });
    await using relay = cuttingRelay(database.url);
    const url = new URL(database.url);
    url.port = String(relay.port);
    await using cut = createEngine(postgres(url.href));
    await using db = sessionmaker(cut, { cache })({
      transaction: { isolationLevel: "autocommit" },
    });
    await db.execute("select 1");
    relay.arm("after");
    const lost = () => db.insert(numbers).values({ n: 1 });
    await assertRejects(lost, ConnectionError);
    assertEquals(cache.notes, ["stale"]);
    await db.rollback();
  },
);
