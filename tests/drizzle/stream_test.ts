import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { gt, relations, sql } from "drizzle-orm";
import { integer, pgTable } from "drizzle-orm/pg-core";
import {
  createEngine,
  DatabaseError,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { driverBeds } from "../support/drivers.ts";

const numbers = pgTable("numbers", { n: integer().primaryKey() });
const schema = { numbers, numbersRelations: relations(numbers, () => ({})) };

for (const [name, makeBed] of Object.entries(driverBeds)) {
  Deno.test(`Session.stream() over ${name}`, async (t) => {
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver);
    await using db = sessionmaker(engine, { schema })();
    await db.execute("create table numbers (n int primary key)");
    await db.execute("insert into numbers select generate_series(1, 2500)");
    await db.commit();
    const cursors = async () =>
      (await db.execute("select name from pg_cursors where name <> ''"))
        .rowCount;

    await t.step("reads a select in batches", async () => {
      const { roundTrips } = db.stats;
      let next = 1001;
      const query = db.select().from(numbers).where(gt(numbers.n, 1000))
        .orderBy(numbers.n);
      for await (const row of db.stream(query, { batchSize: 500 })) {
        const { n }: { n: number } = row;
        assertEquals(n, next++);
      }
      assertEquals(next, 2501);
      // Three full batches, an empty one, and CLOSE; DECLARE costs nothing.
      assertEquals(db.stats.roundTrips - roundTrips, 5);
      assertEquals(await cursors(), 0);
    });

    await t.step("reads relational queries and SQL", async () => {
      const seen: number[] = [];
      const query = db.query.numbers.findMany({ limit: 3, orderBy: numbers.n });
      for await (const row of db.stream(query)) seen.push(row.n);
      const raw = sql<{ m: number }>`select n * ${2}::int as m from numbers
        order by n limit 3`;
      for await (const row of db.stream(raw)) seen.push(row.m);
      assertEquals(seen, [1, 2, 3, 2, 4, 6]);
    });

    await t.step("closes the cursor on break, throw and abort", async () => {
      const everything = db.select().from(numbers);
      for await (const _ of db.stream(everything)) break;
      assertEquals(await cursors(), 0);
      await assertRejects(
        async () => {
          for await (const _ of db.stream(everything)) throw new Error("mine");
        },
        Error,
        "mine",
      );
      assertEquals(await cursors(), 0);
      const abort = new AbortController();
      let rows = 0;
      const error = await assertRejects(async () => {
        const options = { batchSize: 10, signal: abort.signal };
        for await (const _ of db.stream(everything, options)) {
          if (++rows === 15) abort.abort(new Error("enough"));
        }
      });
      assert(error === abort.signal.reason);
      assertEquals(rows, 15);
      assertEquals(await cursors(), 0);
    });

    await t.step("two at once do not mix", async () => {
      const one = db.stream(db.select().from(numbers).orderBy(numbers.n));
      const two = db.stream(sql<{ n: number }>`select -n as n from numbers
        order by numbers.n`);
      for (let n = 1; n <= 250; n++) {
        const [a, b] = await Promise.all([one.next(), two.next()]);
        assertEquals([a.value?.n, b.value?.n], [n, -n]);
      }
      await Promise.all([one.return(), two.return()]);
      assertEquals(await cursors(), 0);
    });

    await t.step("a failing query fails as any other", async () => {
      const broken = sql`select 1 / (n - 150) from numbers order by n`;
      const error = await assertRejects(async () => {
        for await (const _ of db.stream(broken)) { /* until it fails */ }
      }, DatabaseError);
      assertEquals(error.sqlstate, "22012");
      assertEquals(db.state, "failed");
      await db.rollback();
    });

    await t.step("ends with its savepoint, and fails nothing", async () => {
      await db.insert(numbers).values({ n: 4000 });
      for (const isReadOn of [false, true]) {
        const outside = db.stream(db.select().from(numbers), { batchSize: 1 });
        await outside.next();
        const savepoint = await db.beginNested();
        const inside = db.stream(db.select().from(numbers), { batchSize: 1 });
        await inside.next();
        await savepoint.rollback();
        if (isReadOn) {
          const error = await assertRejects(() => inside.next(), StateError);
          assertEquals(error.code, "TRANSACTION_ENDED");
        } else await inside.return();
        assertFalse((await outside.next()).done);
        await outside.return();
        assertEquals(await cursors(), 0);
      }
      assertEquals(db.state, "active");
      await db.rollback();
    });

    await t.step("ends with its transaction", async () => {
      let rows = 0;
      const error = await assertRejects(async () => {
        const stream = db.stream(db.select().from(numbers), { batchSize: 10 });
        for await (const _ of stream) {
          if (++rows !== 5) continue;
          await db.commit();
          await db.insert(numbers).values({ n: 3000 });
        }
      }, StateError);
      assertEquals(error.code, "TRANSACTION_ENDED");
      // What had come with the batch is still handed out.
      assertEquals(rows, 10);
      await db.commit();
      assertEquals(await db.$count(numbers, gt(numbers.n, 2500)), 1);
    });

    await t.step("leaves the next transaction alone", async () => {
      for await (const _ of db.stream(db.select().from(numbers))) {
        await db.commit();
        await db.insert(numbers).values({ n: 3001 });
        break;
      }
      await db.commit();
      assertEquals(await db.$count(numbers, gt(numbers.n, 2500)), 2);
    });

    await t.step("refuses bad options and queries", async () => {
      await assertRejects(
        () => db.stream(sql`select 1`, { batchSize: 0 }).next(),
        RangeError,
        "batchSize",
      );
    });
  });
}

Deno.test("Session.stream() is logged, and sends no placeholder as a value", async () => {
  const driver = recordingDriver();
  const logged: unknown[] = [];
  const logger = {
    logQuery: (...query: unknown[]) => void logged.push(query),
  };
  await using db = sessionmaker(createEngine(driver), { schema, logger })();
  const query = db.select().from(numbers);
  for await (const _ of db.stream(query.where(gt(numbers.n, 7)))) break;
  assertEquals(logged, [[
    'select "n" from "numbers" where "numbers"."n" > $1',
    [7],
  ]]);
  const unfilled = db.select().from(numbers)
    .where(gt(numbers.n, sql.placeholder("least")));
  await assertRejects(
    () => db.stream(unfilled).next(),
    Error,
    'No value for placeholder "least"',
  );
});
