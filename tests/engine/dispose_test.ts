import { assertEquals, assertRejects } from "@std/assert";
import { pgTable, serial, text } from "drizzle-orm/pg-core";
import {
  createEngine,
  type Engine,
  PoolError,
  sessionmaker,
} from "../../mod.ts";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import { neon } from "../../src/neon/mod.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

const notes = pgTable("notes", {
  id: serial().primaryKey(),
  name: text().notNull(),
});

/** A unit of work that is on its way over HTTP. */
interface Committing extends AsyncDisposable {
  readonly engine: Engine;
  readonly database: TestDatabase;
  /** What has happened so far. */
  readonly order: string[];
  /** Lets the server do it. */
  release(): Promise<unknown>;
  /** Settles when it is committed. */
  readonly committed: Promise<unknown>;
}

/** Commits over HTTP, and has the server wait for a lock. */
async function committing(): Promise<Committing> {
  const database = await testDatabase({
    setup: "create table notes (id serial primary key, name text not null)",
  });
  const server = await serveNeon({ backend: database.url, port: 0 });
  const engine = createEngine(neon(server.url));
  const db = sessionmaker(engine, { schema: { notes } })();
  const order: string[] = [];
  await database.query("begin; lock table notes");
  db.add(notes, { name: "a" });
  const committed = db.commit().then(() => order.push("committed"));
  // Within a transaction `pg_stat_activity` would stay as it was.
  await database.waitFor(async () =>
    (await database.query("select from pg_locks where not granted")).length > 0
  );
  return {
    engine,
    database,
    order,
    committed,
    release: () => database.query("commit"),
    async [Symbol.asyncDispose]() {
      await db.close();
      await server.close();
      await database.drop();
    },
  };
}

Deno.test("Engine.dispose() waits for requests until its deadline", async () => {
  await using bed = await committing();
  const { engine, database, order } = bed;
  const disposed = engine.dispose({ deadline: 20_000 })
    .then(() => order.push("disposed"));
  // A round trip, in which it could end.
  await database.query("select 1");
  order.push("released");
  await bed.release();
  await disposed;
  assertEquals(order[0], "released");
  const rows = await database.query("select name from notes");
  assertEquals(rows, [{ name: "a" }]);
  await bed.committed;
});

for (const options of [{}, { deadline: 1 }]) {
  Deno.test(`Engine.dispose(${JSON.stringify(options)}) leaves a request to its server`, async () => {
    await using bed = await committing();
    await bed.engine.dispose(options);
    assertEquals(bed.order, []);
    await bed.release();
    await bed.committed;
    assertEquals(await bed.database.query("select name from notes"), [
      { name: "a" },
    ]);
  });
}

Deno.test("Engine.dispose() sends no requests any more, of none of its engines", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id serial primary key, name text not null)",
  });
  await using server = await serveNeon({ backend: database.url, port: 0 });
  const engine = createEngine(neon(server.url));
  await engine.dispose();
  for (const each of [engine, engine.with({ settings: { timezone: "UTC" } })]) {
    const Session = sessionmaker(each, { schema: { notes } });
    const works: (() => Promise<unknown>)[] = [
      () => Session.begin((db) => db.select().from(notes)),
      () => Session.begin((db) => db.get(notes, 1)),
      async () => {
        await using db = Session();
        db.add(notes, { name: "a" });
        await db.commit();
      },
      () => Session.begin((db) => db.insert(notes).values({ name: "a" })),
    ];
    for (const work of works) {
      const error = await assertRejects(work, PoolError);
      assertEquals(error.code, "POOL_DISPOSED");
    }
  }
  assertEquals(await database.query("select from notes"), []);
});

Deno.test("Engine.dispose() refuses a deadline that is none, and disposes nothing", async () => {
  await using database = await testDatabase();
  await using server = await serveNeon({ backend: database.url, port: 0 });
  await using engine = createEngine(neon(server.url));
  await assertRejects(() => engine.dispose({ deadline: NaN }), RangeError);
  await using db = sessionmaker(engine)();
  assertEquals((await db.execute("select 1 as n")).rows, [{ n: 1 }]);
});
