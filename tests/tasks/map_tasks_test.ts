import { assert, assertEquals, assertRejects } from "@std/assert";
import { sql } from "drizzle-orm";
import {
  createEngine,
  DatabaseError,
  mapTasks,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import { pglite } from "../../src/pglite/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { testPGlite } from "../support/pglite.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

function taskTest(
  name: string,
  run: (Session: Sessionmaker, database: TestDatabase) => Promise<void>,
): void {
  Deno.test(`mapTasks ${name}`, async () => {
    await using database = await testDatabase({
      setup: "create table done (n int primary key)",
    });
    await using engine = createEngine(postgres(database.url));
    await run(sessionmaker(engine), database);
    await engine.idle();
    await database.waitFor(async () => await database.connections() === 0);
  });
}

taskTest(
  "gives each item a session and keeps the order",
  async (Session, database) => {
    let running = 0;
    let most = 0;
    const pids = await mapTasks(Session, [5, 4, 3, 2, 1], async (db, n) => {
      most = Math.max(most, ++running);
      const { rows } = await db.execute(
        sql`select ${n}::int as n, pg_sleep(${n} * 0.01)`,
      );
      await db.execute(sql`insert into done values (${n})`);
      running--;
      return rows[0]?.n;
    }, { concurrency: 3 });
    assertEquals(pids, [5, 4, 3, 2, 1]);
    assertEquals(most, 3);
    assertEquals((await database.query("select * from done")).length, 5);
  },
);

taskTest(
  "stops at the first failure and waits for the others",
  async (Session, database) => {
    const started: number[] = [];
    let finished = 0;
    const error = await assertRejects(
      () =>
        mapTasks(Session, [1, 2, 3, 4, 5, 6], async (db, n, { signal }) => {
          started.push(n);
          if (n === 1) await db.execute("select * from nowhere");
          await db.execute(sql`insert into done values (${n})`);
          await db.execute("select pg_sleep(0.1)");
          assert(signal.aborted);
          finished++;
          throw new Error("the second failure");
        }, { concurrency: 2 }),
      DatabaseError,
    );
    assertEquals(started, [1, 2]);
    assertEquals(finished, 1);
    assertEquals(error.suppressed.map(String), ["Error: the second failure"]);
    assertEquals(await database.query("select * from done"), []);
  },
);

taskTest("commits nothing when told so", async (Session, database) => {
  await mapTasks(
    Session,
    [1, 2],
    (db, n) => db.execute(sql`insert into done values (${n})`),
    { commit: "none" },
  );
  assertEquals(await database.query("select * from done"), []);
});

taskTest("hands out nothing after the caller gave up", async (Session) => {
  const abort = new AbortController();
  const started: number[] = [];
  const error = await assertRejects(
    () =>
      mapTasks(Session, [1, 2, 3], (_db, n) => {
        started.push(n);
        abort.abort(new Error("enough"));
        return Promise.resolve();
      }, { concurrency: 1, signal: abort.signal }),
    Error,
    "enough",
  );
  assertEquals(started, [1]);
  assert(error === abort.signal.reason);
});

Deno.test("mapTasks refuses bad options", async () => {
  const Session = sessionmaker(createEngine(postgres("postgres://u@h/d")));
  const nothing = () => Promise.resolve();
  await assertRejects(
    () => mapTasks(Session, [], nothing, { concurrency: 0 }),
    RangeError,
    "concurrency",
  );
  await assertRejects(
    // @ts-expect-error: the type refuses it as well
    () => mapTasks(Session, [], nothing, { commit: "all" }),
    RangeError,
    "commit",
  );
});

Deno.test("mapTasks on PGlite takes turns", async () => {
  await using lite = await testPGlite();
  await using engine = createEngine(pglite(lite));
  const Session = sessionmaker(engine);
  const results = await mapTasks(Session, [1, 2, 3, 4], async (db, n) => {
    const { rows } = await db.execute(sql`select ${n}::int as n`);
    return rows[0]?.n;
  }, { concurrency: 4 });
  assertEquals(results, [1, 2, 3, 4]);
});
